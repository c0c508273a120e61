/** Calls whenever somebody looks again, the network is back, or the page is back from where pages are kept; returns what ends it. */
export function onWake(wake: () => void): () => void {
  const page = globalThis.document;
  const looked = (): void => {
    if (page.visibilityState === 'visible') wake();
  };
  globalThis.addEventListener('online', wake);
  globalThis.addEventListener('pageshow', wake);
  page.addEventListener('visibilitychange', looked);
  return () => {
    globalThis.removeEventListener('online', wake);
    globalThis.removeEventListener('pageshow', wake);
    page.removeEventListener('visibilitychange', looked);
  };
}

export function isHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden';
}
