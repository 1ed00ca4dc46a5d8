/**
 * Workflow commands as the runners of Gitea and Forgejo read them (act/runner/command.go): only at the start of a line,
 * and greedily, so that the last `::` of a line begins the data. What is no known command stays in the log as it is.
 */
const COMMAND = /^::([^ ]+)( (.+))?::([^\r\n]*)$/
const LEGACY_COMMAND = /^##\[([^ ]+)( (.+))?\]([^\r\n]*)$/

export interface ForgeCommand {
  name: string
  data: string
}

const decode = (text: string) => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')

/** What a runner of Gitea or Forgejo makes of a log. */
export function readAsForge(log: string): { commands: ForgeCommand[]; masks: string[]; lines: string[] } {
  const commands: ForgeCommand[] = []
  const lines: string[] = []
  let stopped: string | undefined
  for (const line of log.split(/\r\n|\n/)) {
    const [, name = '', , , data = ''] = COMMAND.exec(line) ?? LEGACY_COMMAND.exec(line) ?? []
    if (stopped !== undefined) {
      if (name === stopped) stopped = undefined
      else lines.push(line)
    } else if (name === 'stop-commands') stopped = data
    else if (name === '') lines.push(line)
    else commands.push({ name, data: decode(data) })
  }
  const masks = commands.filter(({ name }) => name === 'add-mask').map(({ data }) => data)
  return { commands, masks, lines }
}
