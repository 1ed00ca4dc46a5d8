/**
 * Commits a rebuilt dist to a branch: `node scripts/commit-dist.ts FOLDER`. It has write rights, and packages may have
 * written what is in the folder. So it takes nothing from there but the bytes of files whose names dist knows, and it
 * lets GitHub's API make the commit: no code of the branch is on the machine, and a branch whose head is no longer
 * HEAD_SHA is refused.
 */
import { createHash } from 'node:crypto'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

/** What scripts/build.ts writes. */
const ENTRIES = String.raw`(?:create|main|post|run|(?:\d+\.)?index)\.js`
const NAME = new RegExp(String.raw`^(?:README\.md|THIRD-PARTY-NOTICES\.txt|package\.json|${ENTRIES})$`)
const MAX_BYTES = 20e6

const { GITHUB_API_URL, GITHUB_GRAPHQL_URL, GITHUB_REPOSITORY, GITHUB_TOKEN, GITHUB_OUTPUT, BRANCH, HEAD_SHA } =
  process.env

/** The files of a folder by their paths in dist; none if there is no folder. */
async function filesIn(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const files = new Map<string, Buffer>()
  let total = 0
  for (const entry of entries.filter((each) => !each.isDirectory())) {
    const file = path.join(entry.parentPath, entry.name)
    const name = path.relative(folder, file).replaceAll(path.sep, '/')
    // The name may hold a workflow command.
    if (!entry.isFile() || !NAME.test(name)) throw new Error(`dist has no file ${name.replaceAll(/[^\w./-]/g, '?')}`)
    const content = await readFile(file)
    total += content.length
    if (total > MAX_BYTES) throw new Error(`dist is larger than ${MAX_BYTES / 1e6} MB`)
    files.set(`dist/${name}`, content)
  }
  return files
}

async function ask(url: string, body?: unknown) {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${GITHUB_TOKEN}`, accept: 'application/vnd.github+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

/** The hashes of the files below dist on the branch. */
async function committed(): Promise<Map<string, string>> {
  const { tree, truncated } = (await ask(
    `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/git/trees/${HEAD_SHA}?recursive=1`,
  )) as { tree: { path: string; type: string; sha: string }[]; truncated: boolean }
  if (truncated) throw new Error('the tree of the branch is too large to be listed')
  return new Map(
    tree.filter((entry) => entry.type === 'blob' && entry.path.startsWith('dist/')).map(({ path, sha }) => [path, sha]),
  )
}

const hash = (content: Buffer) => createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')

const built = await filesIn(path.resolve(process.argv[2] ?? ''))
const old = built.size > 0 ? await committed() : new Map<string, string>()
const additions = [...built]
  .filter(([name, content]) => old.get(name) !== hash(content))
  .map(([name, content]) => ({ path: name, contents: content.toString('base64') }))
const deletions = [...old.keys()].filter((name) => !built.has(name)).map((name) => ({ path: name }))
if (additions.length + deletions.length === 0) {
  console.log('dist has not changed: nothing to commit')
} else {
  const { errors } = (await ask(`${GITHUB_GRAPHQL_URL}`, {
    query: 'mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }',
    variables: {
      input: {
        branch: { repositoryNameWithOwner: GITHUB_REPOSITORY, branchName: BRANCH },
        expectedHeadOid: HEAD_SHA,
        // With these words Dependabot goes on rebasing its branch.
        message: { headline: 'Rebuild dist [dependabot skip]' },
        fileChanges: { additions, deletions },
      },
    },
  })) as { errors?: { message: string }[] }
  if (errors) throw new Error(`the commit was refused: ${errors.map(({ message }) => message).join('; ')}`)
  console.log(`committed ${additions.length} changed and ${deletions.length} removed files`)
  if (GITHUB_OUTPUT) await appendFile(GITHUB_OUTPUT, 'committed=true\n')
}
