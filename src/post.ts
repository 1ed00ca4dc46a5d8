// Most runs leave nothing open, and the runner starts this process all the same: it must cost next to nothing.
// What main saved under the names `open` and `creating`; empty if main ended by itself.
if (process.env.STATE_open || process.env.STATE_creating) {
  const { cancelOpenPredictions } = await import('./runner/post-step.ts')
  await cancelOpenPredictions()
}
