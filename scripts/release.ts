/**
 * Says whether a version is ready to be released: `node scripts/release.ts v1.2.3`, in the root of a clone with all its
 * tags. Prints what CHANGELOG.md says of the version, or every reason against it. In a workflow it also sets the
 * outputs `prerelease`, `latest` and `moving-tag`, the tag of the major version if this version is the highest of it.
 */
import { execFileSync } from 'node:child_process'
import { appendFile, readFile } from 'node:fs/promises'

const TAG = /^v((\d+)\.\d+\.\d+(-[\w.-]+)?)$/

/**
 * The text under each heading of the second level, without the link targets that may stand at the end. An entry becomes
 * one line: the page of a release breaks its text where a line ends.
 */
function sectionsOf(changelog: string): Map<string, string> {
  const [, ...sections] = changelog.replaceAll('\r\n', '\n').split(/^## /m)
  return new Map(
    sections.map((section) => {
      const [heading = '', ...lines] = section.split('\n')
      const text = lines.filter((line) => !/^\[[^\]]+\]: /.test(line)).join('\n')
      return [heading.trim(), text.replace(/\n +(?![-*] | )/g, ' ').trim()]
    }),
  )
}

/** Whether a version is higher than all those of the tags, or one of them and the highest. */
function isHighest(version: string, tags: readonly string[]): boolean {
  return tags.every((tag) => version.localeCompare(tag.slice(1), 'en', { numeric: true }) >= 0)
}

const [tag = ''] = process.argv.slice(2)
const [, version = '', major = '', prerelease] = TAG.exec(tag) ?? []
if (version === '') {
  console.error(`"${tag}" is not the tag of a version, such as v1.2.3 or v1.2.3-rc.1`)
  process.exit(1)
}

const json = async (name: string) => JSON.parse(await readFile(name, 'utf8'))
const faults: string[] = []
for (const name of ['package.json', 'package-lock.json']) {
  const { version: own } = await json(name)
  if (own !== version) faults.push(`${name} has the version ${own}, not ${version}`)
}
const sections = sectionsOf(await readFile('CHANGELOG.md', 'utf8'))
const [heading, notes] = [...sections].find(([each]) => each.startsWith(`[${version}]`)) ?? []
if (heading === undefined) faults.push(`CHANGELOG.md has no section [${version}]`)
else if (!/^\S+ - \d{4}-\d\d-\d\d$/.test(heading)) faults.push(`CHANGELOG.md has no date for ${version}: ## ${heading}`)
if (notes === '') faults.push(`CHANGELOG.md has no entries for ${version}`)
if (sections.get('[Unreleased]')) faults.push('CHANGELOG.md still has entries under [Unreleased]')
if (faults.length > 0) {
  console.error(`${tag} is not ready to be released:\n${faults.map((fault) => `- ${fault}`).join('\n')}`)
  process.exit(1)
}

console.log(notes)
if (process.env.GITHUB_OUTPUT) {
  const versions = execFileSync('git', ['tag', '--list', 'v*'], { encoding: 'utf8' })
    .split('\n')
    .filter((each) => TAG.test(each) && !each.includes('-'))
  const isStable = prerelease === undefined
  const latest = isStable && isHighest(version, versions)
  const highestOfMajor =
    isStable &&
    isHighest(
      version,
      versions.filter((each) => each.startsWith(`v${major}.`)),
    )
  await appendFile(
    process.env.GITHUB_OUTPUT,
    `prerelease=${!isStable}\nlatest=${latest}\nmoving-tag=${highestOfMajor ? `v${major}` : ''}\n`,
  )
}
