/** The hexadecimal digits of a digest, which GitHub and Gitea write as `sha256:…`. */
export const digitsOf = (digest: string): string => digest.replace(/^sha256:/, '')
