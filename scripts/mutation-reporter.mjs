// Ends a run of tests at the first that fails: more of them say nothing more about a mutant.
export default async function* (events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && !data.todo) process.exit(1)
  }
  yield ''
}
