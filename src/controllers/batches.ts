/**
 * Does `count` things with a slow start: one, then two, four, … at a time, so that a cause that fails them all fails few calls.
 * The first error ends it once its batch is through.
 */
export async function inBatches(count: number, act: (index: number) => Promise<void>): Promise<void> {
  for (let done = 0, size = 1; done < count; size *= 2) {
    const batch = Array.from({ length: Math.min(size, count - done) }, (_, index) => act(done + index));
    const results = await Promise.allSettled(batch);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    done += batch.length;
  }
}
