/* Runs in the pages of `openPage`, before their own scripts: keeps what they say and show, and tells what their policy blocked. */
globalThis.seen = [];
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  console.error(`blocked by ${violatedDirective}: ${blockedURI}`);
});
new MutationObserver((records) => {
  for (const { target } of records) {
    const text = target instanceof HTMLImageElement ? target.alt : target.textContent;
    if (text) globalThis.seen.push(text);
  }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['alt'] });
