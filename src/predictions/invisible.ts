/**
 * Characters that a reader does not see, or that change how others are read: control characters, those that change the
 * direction of text, and all that Unicode calls ignorable or leaves to the layout (zero-width ones, soft hyphens, tags,
 * annotations). The one class of them: what removes or looks for them anywhere uses this.
 * A global pattern: for `replace` and `split`, not for `test`.
 */
export const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu
