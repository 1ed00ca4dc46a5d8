// Most runs leave nothing open, and the runner starts this process all the same: it must cost next to nothing.
// What main left under the name `open` is here as STATE_open; nothing where it came to its own end.
if (process.env.STATE_open) {
  const { cancelOpenPredictions } = await import('./runner/cancellation.ts')
  await cancelOpenPredictions()
}
