import { execFileSync } from 'node:child_process';

/** Assembly of each exported function of a library, one instruction a string. */
export function disassemble(library: string): Map<string, string[]> {
  const text = execFileSync('objdump', ['-d', '--no-show-raw-insn', library], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const functions = new Map<string, string[]>();
  let current: string[] | null = null;
  for (const line of text.split('\n')) {
    const start = /^[0-9a-f]+ <(\w+)(?:@@Base)?>:$/.exec(line);
    if (start) {
      current = [];
      functions.set(start[1] as string, current);
    } else if (line.trim() === '') {
      current = null;
    } else {
      const instruction = /^\s*[0-9a-f]+:\s+(.*?)(?:\s+#.*)?$/.exec(line)?.[1];
      if (instruction !== undefined) current?.push(instruction);
    }
  }
  return functions;
}

/** Registers that a call may change. */
const VOLATILE = ['%rax', '%rcx', '%rdx', '%rsi', '%rdi', '%r8', '%r9', '%r10', '%r11'];

type Held = { readonly kind: 'object' | 'vtable' } | { readonly kind: 'method'; readonly slot: number };

/**
 * Vtable indices of the virtual calls in one function of the JNI library, which holds NVIDIA's inlined methods.
 *
 * It follows the object from register to register: `mov 0x8(%a),%r` loads the implementation of a public object,
 * `mov (%r),%v` its vtable, `call *0x98(%v)` calls method 19. The calls of JNI itself go through a table that is reached
 * otherwise.
 *
 * @param direct for abstract classes without an implementation pointer, whose objects come from `lea (%a,%b,8),%r`
 */
export function virtualCalls(instructions: readonly string[], direct: boolean): number[] {
  const held = new Map<string, Held>();
  const calls: number[] = [];
  for (const instruction of instructions) {
    const through = /^(?:call|jmp)\s+\*(0x[0-9a-f]+)?\((%\w+)\)$/.exec(instruction);
    if (through && held.get(through[2] as string)?.kind === 'vtable') calls.push(Number(through[1] ?? 0) / 8);
    const loaded = /^(?:call|jmp)\s+\*(%\w+)$/.exec(instruction);
    const method = loaded && held.get(loaded[1] as string);
    if (method?.kind === 'method') calls.push(method.slot);
    if (instruction.startsWith('call')) {
      for (const register of VOLATILE) held.delete(register);
      continue;
    }
    const write = /^(mov|lea|add)\s+(.*),(%r\w+)$/.exec(instruction);
    if (!write) continue;
    const [, operation, source, target] = write as unknown as [string, string, string, string];
    const value = operation === 'add' ? null : heldAfter(operation, source, held, direct);
    if (value) held.set(target, value);
    else held.delete(target);
  }
  return calls;
}

function heldAfter(operation: string, source: string, held: ReadonlyMap<string, Held>, direct: boolean): Held | null {
  if (operation === 'lea') return direct && /^\(%\w+,%\w+,8\)$/.test(source) ? { kind: 'object' } : null;
  if (held.get(source)?.kind === 'object') return { kind: 'object' };
  const memory = /^(0x[0-9a-f]+)?\((%r\w+)(?:,%r\w+,1)?\)$/.exec(source);
  if (!memory) return null;
  const offset = Number(memory[1] ?? 0);
  const base = memory[2] as string;
  const from = held.get(base);
  if (from?.kind === 'vtable') return { kind: 'method', slot: offset / 8 };
  if (from?.kind === 'object' && offset === 0) return { kind: 'vtable' };
  return !direct && offset === 8 && base !== '%rsp' ? { kind: 'object' } : null;
}
