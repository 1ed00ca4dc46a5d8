import { nameInName } from '../predictions/files/file-name.ts'
import { isJsonObject } from '../predictions/json/numbers.ts'
import { embedFiles, type FileScope, MentionBudget, ModelInputError } from './embedded-files.ts'
import { parseInput } from './input-yaml.ts'
import { asSubject, mapping, readInputFile } from './model-input.ts'

/** One input of the model, and what it is called. */
export interface NamedInput {
  /** The key in a mapping, the number in a list, the model's name for a single input. */
  name: string
  input: Record<string, unknown>
}

/** The four inputs that say what the model is given; each `""` if it was not given. */
export interface InputTexts {
  input: string
  inputFile: string
  inputs: string
  inputsFile: string
}

/** Predictions that one step starts. */
export const MOST_ENTRIES = 500

/**
 * Reads what is to be run: one input, or several. The values in `input` and `input-file` are shared by all; the values of an
 * entry override it, and entries of `inputs` override those of the same name in `inputs-file`.
 * @param modelName the name of a single input
 * @returns an empty list if `inputs` is one
 * @throws ModelInputError that names the entry
 */
export async function readEntries(texts: InputTexts, workspace: string, modelName: string): Promise<NamedInput[]> {
  // An expression that has no value, such as an output of a skipped job, must not start and charge a prediction.
  if (Object.values(texts).every((text: string) => text.trim() === '')) throw new ModelInputError(NOTHING_SET)
  const shared = {
    ...(texts.inputFile === ''
      ? {}
      : mapping(await readInputFile(texts.inputFile, workspace), `the file ${texts.inputFile}`)),
    ...(texts.input.trim() === '' ? {} : mapping(parseInput(texts.input, 'input'), 'input')),
  }
  const files: FileScope = { workspace, budget: new MentionBudget() }
  const sources = [
    ...(texts.inputsFile === '' ? [] : [await severalIn(texts.inputsFile, workspace)]),
    ...(texts.inputs.trim() === '' ? [] : [severalOf(parseInput(texts.inputs, 'inputs'), 'inputs', 'inputs')]),
  ]
  if (sources.length === 0) return [{ name: modelName, input: await embedded(shared, 'input', files) }]
  const entries = merged(sources)
  checkNames(entries.map(({ name }) => name))
  if (entries.length > MOST_ENTRIES) {
    throw new ModelInputError(
      `inputs has ${entries.length} entries, but one step starts at most ${MOST_ENTRIES} predictions. Split them over several steps.`,
    )
  }
  const named: NamedInput[] = []
  for (const { name, input } of entries) {
    named.push({ name, input: await embedded({ ...shared, ...input }, `inputs.${name}`, files) })
  }
  return named
}

const NOTHING_SET =
  'None of input, input-file, inputs and inputs-file is set. For a model without inputs, set input: "{}".'

/** Several inputs as they were given. */
interface Several {
  isList: boolean
  entries: NamedInput[]
}

const severalIn = async (file: string, workspace: string): Promise<Several> =>
  severalOf(await readInputFile(file, workspace), `the file ${file}`, `${file}: inputs`)

/** @param source and @param root what the value, and what a place in it, is called in messages */
function severalOf(value: unknown, source: string, root: string): Several {
  if (Array.isArray(value)) {
    return {
      isList: true,
      entries: value.map((item, i) => ({ name: String(i + 1), input: entryOf(item, `${root}[${i}]`) })),
    }
  }
  if (isJsonObject(value)) {
    refuseNested(value, source)
    const entries = Object.entries(value).map(([name, item]) => ({ name, input: entryOf(item, `${root}.${name}`) }))
    return { isList: false, entries }
  }
  throw new ModelInputError(
    `${asSubject(source)} is neither a mapping nor a list. Use a mapping from names to inputs, or a list of inputs.`,
  )
}

/** A file that begins like the workflow does: its entries would be sent as the fields of one input. */
function refuseNested({ inputs, ...others }: Record<string, unknown>, source: string): void {
  if (!isJsonObject(inputs) || Object.keys(others).length > 0) return
  const fields = Object.values(inputs)
  if (fields.length === 0 || !fields.every(isJsonObject)) return
  throw new ModelInputError(
    `${asSubject(source)} has all entries under the key "inputs". Remove this key, so that they are at the top.`,
  )
}

function entryOf(value: unknown, where: string): Record<string, unknown> {
  if (isJsonObject(value)) return value
  throw new ModelInputError(
    `${where} is not a mapping. Each entry is an input of the model, such as {prompt: "a cake"}; for a single one, did you mean \`input\`?`,
  )
}

/** Entries of the same name are one, with the values of the later source; lists are put one after the other. */
function merged(sources: readonly Several[]): NamedInput[] {
  if (sources.some(({ isList }) => isList !== sources[0]?.isList)) {
    throw new ModelInputError(
      'One of inputs and inputs-file is a mapping, the other a list. Use two mappings or two lists.',
    )
  }
  if (sources[0]?.isList) {
    return sources.flatMap(({ entries }) => entries).map(({ input }, i) => ({ name: String(i + 1), input }))
  }
  const byName = new Map<string, Record<string, unknown>>()
  for (const { name, input } of sources.flatMap(({ entries }) => entries)) {
    byName.set(name, { ...byName.get(name), ...input })
  }
  return [...byName].map(([name, input]) => ({ name, input }))
}

/** Names become names of files, and file systems may know no case. */
function checkNames(names: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    if (name.trim() === '') throw new ModelInputError('A name in inputs is empty. Name every input.')
    const folded = nameInName(name).toLowerCase()
    const other = seen.get(folded)
    if (other !== undefined) {
      throw new ModelInputError(
        `The names ${JSON.stringify(other)} and ${JSON.stringify(name)} in inputs would be the same file name. Change one of them.`,
      )
    }
    seen.set(folded, name)
  }
}

const embedded = async (input: Record<string, unknown>, where: string, scope: FileScope) =>
  (await embedFiles(input, where, scope)) as Record<string, unknown>
