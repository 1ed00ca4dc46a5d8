// Loaded before an action: writes how long its event loop was busy at once at most, in milliseconds. No signal is heard
// meanwhile.
import { writeFileSync } from 'node:fs'

let last = performance.now()
let longest = 0
let begun = false
setInterval(() => {
  const now = performance.now()
  // The first turn is the loading of the code.
  if (begun) longest = Math.max(longest, now - last)
  begun = true
  last = now
}, 5).unref()
process.on('exit', () =>
  writeFileSync(process.env.LOOP_DELAY_FILE, String(Math.max(longest, performance.now() - last))),
)
