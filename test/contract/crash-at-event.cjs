// Loaded into a child by NODE_OPTIONS: it crashes where it would tell its caller of a first event.
const send = process.send?.bind(process);
if (send)
  process.send = (message, ...rest) => {
    if (message.type === 'event') process.kill(process.pid, 'SIGSEGV');
    else return send(message, ...rest);
  };
