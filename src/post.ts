// Most runs leave nothing open, and the runner starts this process all the same: it must cost next to nothing.
// What main left under the names `open` and `creating` is here; nothing if it came to its own end.
if (process.env.STATE_open || process.env.STATE_creating) {
  const { cancelOpenPredictions } = await import('./runner/cancellation.ts')
  await cancelOpenPredictions()
}
