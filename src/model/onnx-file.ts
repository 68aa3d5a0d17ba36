import { FunctionCalls } from './onnx-functions.js';
import { type Field, ProtobufError, ProtobufFile, type Span, signed } from './protobuf.js';

/** One input or output as the file declares it; `shape` is null where it declares none, a dimension where it is dynamic. */
export interface OnnxValue {
  readonly name: string;
  /** Number of `TensorProto.DataType`, or null for what is no tensor. */
  readonly elementType: number | null;
  readonly shape: readonly (number | null)[] | null;
}

/** A tensor whose bytes lie in another file. */
export interface ExternalTensor {
  readonly name: string;
  readonly elementType: number;
  readonly dims: readonly number[];
  /** `location`, `offset`, `length` and more, as written. */
  readonly entries: ReadonlyMap<string, string>;
}

/** What an ONNX file declares of itself. */
export interface OnnxFile {
  /** Version of the standard operators; null where the file names none. */
  readonly opset: number | null;
  /** Inputs that a caller must give: those without an initializer of the same name. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly external: readonly ExternalTensor[];
  /** Numbers of `TensorProto.DataType` that its inputs, outputs, stored tensors and casts have; what lies between is computed from those. */
  readonly elementTypes: ReadonlySet<number>;
}

/**
 * Reads what an ONNX file declares, without its weights and without running anything. Field numbers are those of
 * onnx.proto (ONNX 1.23). Tensors with external data are found wherever they stand: in initializers, attributes,
 * subgraphs and functions.
 * @throws ProtobufError with the reason
 */
export function readOnnxFile(path: string): OnnxFile {
  return ProtobufFile.use(path, (file) => new OnnxReader(file).read());
}

class OnnxReader {
  private readonly external: ExternalTensor[] = [];
  private readonly elementTypes = new Set<number>();
  private readonly calls = new FunctionCalls();

  constructor(private readonly file: ProtobufFile) {}

  read(): OnnxFile {
    let opset: number | null = null;
    let graph: Graph | null = null;
    for (const field of this.file.fieldsOf(this.file.whole)) {
      if (field.number === 7 && graph !== null) throw new ProtobufError('two graphs');
      if (field.number === 7) graph = this.graph(spanOf(field), this.calls.main);
      else if (field.number === 8) opset = this.opset(spanOf(field)) ?? opset;
      else if (field.number === 20)
        throw new ProtobufError('training information, which a model that is only run has none of');
      else if (field.number === 25) this.functionBody(spanOf(field));
    }
    if (graph === null) throw new ProtobufError('no graph: this is no ONNX model');
    this.calls.check();
    const { initialized } = graph;
    const inputs = graph.inputs.filter((input) => !initialized.has(input.name));
    return { opset, inputs, outputs: graph.outputs, external: this.external, elementTypes: this.elementTypes };
  }

  /** The version, where the entry is about the standard operators. */
  private opset(span: Span): number | null {
    let domain = '';
    let version: number | null = null;
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) domain = this.file.text(spanOf(field));
      else if (field.number === 2) version = numberOf(field);
    }
    return domain === '' || domain === 'ai.onnx' ? version : null;
  }

  private graph(span: Span, caller: string): Graph {
    const graph: Graph = { inputs: [], outputs: [], initialized: new Set() };
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) this.node(spanOf(field), caller);
      else if (field.number === 5) graph.initialized.add(this.tensor(spanOf(field)));
      else if (field.number === 11) graph.inputs.push(this.value(spanOf(field)));
      else if (field.number === 12) graph.outputs.push(this.value(spanOf(field)));
      else if (field.number === 15) this.sparseTensor(spanOf(field));
    }
    return graph;
  }

  private node(span: Span, caller: string): void {
    let operator = '';
    let domain = '';
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 4) operator = this.file.text(spanOf(field));
      else if (field.number === 7) domain = this.file.text(spanOf(field));
      else if (field.number === 5) this.attribute(spanOf(field), caller);
    }
    this.calls.add(caller, domain, operator);
  }

  private attribute(span: Span, caller: string): void {
    let name = '';
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) name = this.file.text(spanOf(field));
      // The element type that Cast gives.
      else if (field.number === 3 && name === 'to') this.elementTypes.add(numberOf(field));
      else if (field.number === 5 || field.number === 10) this.tensor(spanOf(field));
      else if (field.number === 6 || field.number === 11) this.graph(spanOf(field), caller);
      else if (field.number === 22 || field.number === 23) this.sparseTensor(spanOf(field));
    }
  }

  private functionBody(span: Span): void {
    let name = '';
    let domain = '';
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) name = this.file.text(spanOf(field));
      else if (field.number === 10) domain = this.file.text(spanOf(field));
    }
    const caller = this.calls.define(domain, name);
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 7) this.node(spanOf(field), caller);
      else if (field.number === 11) this.attribute(spanOf(field), caller);
    }
  }

  private sparseTensor(span: Span): void {
    for (const field of this.file.fieldsOf(span))
      if (field.number === 1 || field.number === 2) this.tensor(spanOf(field));
  }

  /** Notes a tensor if its data is external, and gives its name. */
  private tensor(span: Span): string {
    let name = '';
    let elementType = 0;
    let location = 0;
    const dims: number[] = [];
    const entries = new Map<string, string>();
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) dims.push(...this.file.integers(field));
      else if (field.number === 2) elementType = numberOf(field);
      else if (field.number === 8) name = this.file.text(spanOf(field));
      else if (field.number === 13) entries.set(...this.entry(spanOf(field)));
      else if (field.number === 14) location = numberOf(field);
    }
    if (dims.some((size) => size < 0))
      throw new ProtobufError(`tensor ${JSON.stringify(name)} has a negative dimension: [${dims.join(', ')}]`);
    this.elementTypes.add(elementType);
    if (location === 1 || entries.size > 0) this.external.push({ name, elementType, dims, entries });
    return name;
  }

  private entry(span: Span): [string, string] {
    const pair: [string, string] = ['', ''];
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) pair[0] = this.file.text(spanOf(field));
      else if (field.number === 2) pair[1] = this.file.text(spanOf(field));
    }
    return pair;
  }

  private value(span: Span): OnnxValue {
    let name = '';
    let type: Pick<OnnxValue, 'elementType' | 'shape'> = { elementType: null, shape: null };
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) name = this.file.text(spanOf(field));
      else if (field.number === 2) {
        // TypeProto: 1 is a tensor; sequences, maps and optionals have other numbers.
        for (const kind of this.file.fieldsOf(spanOf(field)))
          if (kind.number === 1) type = this.tensorType(spanOf(kind));
      }
    }
    return { name, ...type };
  }

  private tensorType(span: Span): Pick<OnnxValue, 'elementType' | 'shape'> {
    let elementType = 0;
    let shape: (number | null)[] | null = null;
    for (const field of this.file.fieldsOf(span)) {
      if (field.number === 1) elementType = numberOf(field);
      else if (field.number === 2) {
        shape = [];
        for (const dim of this.file.fieldsOf(spanOf(field)))
          if (dim.number === 1) shape.push(this.dimension(spanOf(dim)));
      }
    }
    this.elementTypes.add(elementType);
    return { elementType, shape };
  }

  private dimension(span: Span): number | null {
    let size: number | null = null;
    for (const field of this.file.fieldsOf(span)) if (field.number === 1) size = numberOf(field);
    return size;
  }
}

interface Graph {
  readonly inputs: OnnxValue[];
  readonly outputs: OnnxValue[];
  readonly initialized: Set<string>;
}

function spanOf(field: Field): Span {
  if (field.span === undefined)
    throw new ProtobufError(`field ${field.number} is a number where a message or a text is due`);
  return field.span;
}

function numberOf(field: Field): number {
  if (field.varint === undefined)
    throw new ProtobufError(`field ${field.number} is a message or a text where a number is due`);
  return signed(field.varint);
}
