/** Programs that come as Python packages, each into a folder of its own in node_modules/.cache of the folder it runs in. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface PythonTool {
  /** The package, which is also the folder's name. */
  package: string
  version: string
  /** The program in it, without `.exe`. */
  program: string
  /** SHA-256 of the wheels that may be installed; any unless given. */
  hashes?: readonly string[]
}

/** The path of the program, installed if it is not there yet, or why that failed. */
export function pythonTool(tool: PythonTool): { program: string } | { missing: string } {
  const windows = process.platform === 'win32'
  const folder = path.resolve('node_modules/.cache', `${tool.package}-${tool.version}`)
  const bin = path.join(folder, windows ? 'Scripts' : 'bin')
  const program = path.join(bin, windows ? `${tool.program}.exe` : tool.program)
  if (existsSync(program)) return { program }
  const lists = mkdtempSync(path.join(tmpdir(), 'requirements-'))
  const list = path.join(lists, 'requirements.txt')
  const hashes = (tool.hashes ?? []).map((hash) => ` --hash=sha256:${hash}`).join('')
  writeFileSync(list, `${tool.package}==${tool.version}${hashes}\n`)
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:']
  const commands = [
    [windows ? 'python' : 'python3', '-m', 'venv', folder],
    [path.join(bin, 'python'), ...pip, ...(hashes === '' ? [] : ['--no-deps']), '--requirement', list],
  ]
  try {
    for (const [command = '', ...args] of commands) {
      const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' })
      if (status !== 0) return { missing: error?.message ?? stderr.trim() }
    }
  } finally {
    rmSync(lists, { recursive: true })
  }
  return { program }
}
