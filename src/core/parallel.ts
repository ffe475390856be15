/** A few things at a time. */

/** Does `work` for every item, at most `atOnce` at a time, begun in order. The first failure stops what is not begun. */
export async function parallel<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  let failed = false
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const item = items[next++] as T
      try {
        await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  // all are waited for: nothing goes on behind the back of who hears of the failure
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker))
  for (const result of ended) if (result.status === 'rejected') throw result.reason
}
