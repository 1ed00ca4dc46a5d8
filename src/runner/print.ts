import * as core from '@actions/core'
import { oneLine } from './untrusted.ts'

/** Prints one line that may hold untrusted text; it must not begin with any. */
export const info = (line: string): void => core.info(oneLine(line, 1000))
