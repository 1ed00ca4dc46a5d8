import { Buffer } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Answer, StoredAnswer } from './answer.ts'
import type { StoredText } from './body.ts'
import { collectAll } from './garbage.ts'
import { jsonParts } from './json/write.ts'
import { isLargeView, type OutputView, viewOf } from './output.ts'
import { type Prediction, predictTime } from './prediction.ts'
import { errorText } from './prediction-error.ts'
import { clip, detached } from './text.ts'
import type { Turns } from './turns.ts'

/**
 * An answer whose body is a stored text.
 * @param read reads the answer in a body
 */
export function storedAnswer<Whole extends Answer>(
  text: StoredText,
  read: (text: string) => Promise<Whole>,
  turns: Turns,
): StoredAnswer<Whole> {
  const load = async () => {
    const whole = await text.read()
    await nextTurn()
    return await read(whole)
  }
  return {
    use: (act) =>
      turns.run(async () => {
        collectAll()
        const answer = await load()
        await nextTurn()
        // The text is not needed any more.
        collectAll()
        return await act(answer)
      }),
    json: () => text.bytes(),
    async withBody(body) {
      const other = await text.another()
      try {
        for (const json of jsonParts(body)) {
          for (const part of partsOf(json)) await other.append([Buffer.from(part)])
        }
      } catch (error) {
        await other.close()
        throw error
      }
      return storedAnswer(other, read, turns)
    },
    close: () => text.close(),
  }
}

const PART = 2 ** 20

/** The parts of a text, each smaller than the text; no character is split. */
function* partsOf(text: string): Generator<string> {
  for (let at = 0, end = 0; at < text.length; at = end) {
    end = at + PART
    if ((text.codePointAt(end - 1) ?? 0) > 0xffff) end++
    yield text.slice(at, end)
  }
}

/** Stands for an output that is too large to stay in memory. */
const LARGE_OUTPUT = Symbol('a large output')

/** Characters of a log, and of any other text, that stay in memory. */
const KEPT_OF_LOG = 2 ** 20
const KEPT = 2 ** 16

/** A prediction with a value for every field, so that none is forgotten here when the schema gets another. */
type WholePrediction = { [Field in keyof Required<Prediction>]: Prediction[Field] }

/**
 * What is kept in memory of a large answer: of its log the end, of other texts the start, no body, and of a large output
 * what is shown of it.
 */
export function abridged(answer: Answer): Answer {
  const { prediction } = answer
  const { id, status, model, version, output, error, logs, urls, created_at, completed_at } = prediction
  const view = viewOf(output)
  const short: WholePrediction = {
    id: clip(id, KEPT),
    status: clip(status, KEPT),
    model: model && clip(model, KEPT),
    version: version && clip(version, KEPT),
    output: isLargeView(view) ? LARGE_OUTPUT : output,
    error: error && clip(errorText(error), KEPT),
    logs: logs && detached(logs.slice(-KEPT_OF_LOG)),
    metrics: { predict_time: predictTime(prediction) },
    urls: (urls?.stream?.length ?? 0) > KEPT ? undefined : urls,
    created_at: created_at && clip(created_at, KEPT),
    completed_at: completed_at && clip(completed_at, KEPT),
    data_removed: prediction.data_removed,
  }
  const logStart = Math.max(0, (logs?.length ?? 0) - KEPT_OF_LOG)
  return { ...answer, prediction: short, body: {}, view, logStart }
}

/** What is shown of the output in an answer. */
export const outputViewOf = (answer: Answer | undefined): OutputView =>
  answer?.view ?? viewOf(answer?.prediction.output)
