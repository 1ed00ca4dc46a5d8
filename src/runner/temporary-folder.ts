import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from './failure.ts'

/** Makes a folder of our own in the temporary folder of the runner, which the runner empties after the job. */
export async function makeTemporaryFolder(purpose: string, temp: string): Promise<string> {
  try {
    return await mkdtemp(path.join(temp, `await-prediction-${purpose}-`))
  } catch (error) {
    throw new Error(`No folder could be created under ${temp}, the RUNNER_TEMP: ${messageOf(error)}.`, { cause: error })
  }
}
