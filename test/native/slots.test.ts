import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { noNvidia, nvidiaFolder } from '../support/native.js';
import { noCommand, skipFor } from '../support/skip-for.js';
import { disassemble, virtualCalls } from './slots/disassembly.js';
import { differences, factsOfHeaders, NO_SLOT, ourFacts } from './slots/facts.js';

// native/tensorrt/interfaces.h against NVIDIA's own headers (11 and TensorRT-RTX, which a registry has) and, for 10, against a
// library that was compiled with them. Not one number there is believed.

const TIMEOUT_MS = 120_000;

const noCompiler = noCommand('g++');
const noDisassembler = noCommand('objdump');
const headers = noCompiler ? null : nvidiaFolder('headers');
const jni = noCompiler || noDisassembler ? null : nvidiaFolder('jni10');
const ours = noCompiler ? null : ourFacts();

/** Methods that TensorRT-RTX alone has. */
const RTX_ONLY = [
  'set_nb_compute_capabilities',
  'set_compute_capability',
  'BuilderFlag::require_user_allocation',
  'create_runtime_cache',
  'set_runtime_cache',
  'set_specialization',
  'serialize_runtime_cache',
  'deserialize_runtime_cache',
  'is_stream_capturable',
  'Specialization::eager',
];

describe('slots of TensorRT 11 and TensorRT-RTX, from their headers', skipFor(noCompiler, noNvidia('headers')), () => {
  test.each([
    ['TRT-Enterprise-11.4', RTX_ONLY],
    ['TRT-RTX-1.5', []],
    ['TRT-RTX-1.6', []],
    ['TRT-RTX-1.7', []],
  ])(
    '%s',
    (version, missing) => {
      const theirs = factsOfHeaders(join(headers as string, version), headers as string);
      expect(theirs.size).toBeGreaterThan(70);
      expect(differences(ours!.eleven, theirs, missing)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'TensorRT-RTX 1.4 has a layout of its own, which is why it is refused',
    () => {
      const theirs = factsOfHeaders(join(headers as string, 'TRT-RTX-1.4'), headers as string);
      expect(differences(ours!.ten, theirs)).toContainEqual(expect.stringMatching(/^set_max_aux_streams is/));
      expect(differences(ours!.eleven, theirs)).toContainEqual(expect.stringMatching(/^get_nb_errors is/));
    },
    TIMEOUT_MS,
  );

  test(
    'one wrong number is seen',
    () => {
      const theirs = factsOfHeaders(join(headers as string, 'TRT-RTX-1.7'), headers as string);
      const wrong = new Map(ours!.eleven).set('enqueue_v3', 37);
      expect(differences(wrong, theirs)).toEqual(['enqueue_v3 is 36, interfaces.h says 37']);
    },
    TIMEOUT_MS,
  );
});

// Headers that somebody has at hand, for example of another 10.x: an addition, and no test where there are none.
const given = process.env.T2I_TENSORRT_INCLUDE_DIR;
if (given && ours !== null && headers !== null) {
  test(
    'slots of the headers in T2I_TENSORRT_INCLUDE_DIR are those of their major version',
    () => {
      const theirs = factsOfHeaders(given, headers);
      expect(differences(theirs.get('major') === 10 ? ours.ten : ours.eleven, theirs, RTX_ONLY)).toEqual([]);
    },
    TIMEOUT_MS,
  );
}

/** File, enumeration and constant of NVIDIA's for those that interfaces.h and dtype.h name. */
const ENUMERATIONS: Readonly<Record<string, readonly [file: string, name: string, constant: string]>> = {
  'Severity::internal_error': ['nvinfer/ILogger', 'Severity', 'kINTERNAL_ERROR'],
  'Severity::error': ['nvinfer/ILogger', 'Severity', 'kERROR'],
  'Severity::warning': ['nvinfer/ILogger', 'Severity', 'kWARNING'],
  'Severity::info': ['nvinfer/ILogger', 'Severity', 'kINFO'],
  'Severity::verbose': ['nvinfer/ILogger', 'Severity', 'kVERBOSE'],
  'TensorIOMode::none': ['global/nvinfer', 'TensorIOMode', 'kNONE'],
  'TensorIOMode::input': ['global/nvinfer', 'TensorIOMode', 'kINPUT'],
  'TensorIOMode::output': ['global/nvinfer', 'TensorIOMode', 'kOUTPUT'],
  'TensorLocation::device': ['global/nvinfer', 'TensorLocation', 'kDEVICE'],
  'TensorLocation::host': ['global/nvinfer', 'TensorLocation', 'kHOST'],
  'ProfileSelector::min': ['global/nvinfer', 'OptProfileSelector', 'kMIN'],
  'ProfileSelector::opt': ['global/nvinfer', 'OptProfileSelector', 'kOPT'],
  'ProfileSelector::max': ['global/nvinfer', 'OptProfileSelector', 'kMAX'],
  'MemoryPool::workspace': ['global/nvinfer', 'MemoryPoolType', 'kWORKSPACE'],
  'AllocationStrategy::user_managed': ['global/nvinfer', 'ExecutionContextAllocationStrategy', 'kUSER_MANAGED'],
  'ParserErrorCode::out_of_memory': ['global/nvonnxparser', 'ErrorCode', 'kMEM_ALLOC_FAILED'],
  'ParserErrorCode::model_not_read': ['global/nvonnxparser', 'ErrorCode', 'kMODEL_DESERIALIZE_FAILED'],
  'ParserErrorCode::unsupported_node': ['global/nvonnxparser', 'ErrorCode', 'kUNSUPPORTED_NODE'],
  'DataType::float32': ['global/nvinfer', 'DataType', 'kFLOAT'],
  'DataType::float16': ['global/nvinfer', 'DataType', 'kHALF'],
  'DataType::int8': ['global/nvinfer', 'DataType', 'kINT8'],
  'DataType::int32': ['global/nvinfer', 'DataType', 'kINT32'],
  'DataType::boolean': ['global/nvinfer', 'DataType', 'kBOOL'],
  'DataType::uint8': ['global/nvinfer', 'DataType', 'kUINT8'],
  'DataType::fp8': ['global/nvinfer', 'DataType', 'kFP8'],
  'DataType::bfloat16': ['global/nvinfer', 'DataType', 'kBF16'],
  'DataType::int64': ['global/nvinfer', 'DataType', 'kINT64'],
};
/** What TensorRT-RTX alone has. */
const NOT_IN_10 = ['BuilderFlag::require_user_allocation', 'Specialization::eager'];

describe(
  'enumerations of TensorRT 10, from Java that was written from its headers',
  skipFor(noCompiler, noNvidia('enums10')),
  () => {
    const java = noCompiler ? null : nvidiaFolder('enums10');
    const constant = (file: string, name: string, of: string): number => {
      const text = readFileSync(join(java as string, `${file}.java`), 'utf8');
      const [, body = ''] = new RegExp(`enum ${name} \\{([^}]*?);`).exec(text.replace(/\/\*[\s\S]*?\*\//g, '')) ?? [];
      return Number(new RegExp(`\\b${of}\\((\\d+)\\)`).exec(body)?.[1]);
    };

    test('every number that is used is theirs', () => {
      const used = [...(ours?.ten.keys() ?? [])].filter((name) => name.includes('::') && !NOT_IN_10.includes(name));
      expect(Object.keys(ENUMERATIONS).sort()).toEqual(used.sort());
      for (const [name, [file, of, value]] of Object.entries(ENUMERATIONS)) {
        expect([name, ours?.ten.get(name)]).toEqual([name, constant(file, of, value)]);
      }
    });

    test('a strongly typed network is asked for by the bit of its flag', () => {
      const flag = constant('global/nvinfer', 'NetworkDefinitionCreationFlag', 'kSTRONGLY_TYPED');
      expect(ours?.ten.get('strongly_typed')).toBe(2 ** flag);
    });
  },
);

/** The parameters of those methods that have overloads, as JNI writes them. */
const OVERLOADS: Readonly<Record<string, string>> = {
  deserialize_cuda_engine: '__Lorg_bytedeco_javacpp_Pointer_2J',
  create_execution_context: '__I',
  build_serialized_network:
    '__Lorg_bytedeco_tensorrt_nvinfer_INetworkDefinition_2Lorg_bytedeco_tensorrt_nvinfer_IBuilderConfig_2',
};
/** Abstract classes whose objects are called themselves. */
const DIRECT = ['IParser', 'IParserError', 'ILogger', 'IProgressMonitor', 'IVersionedInterface'];

describe(
  'slots of TensorRT 10, from calls compiled with the headers of 10.15',
  skipFor(noCompiler ?? noDisassembler, noNvidia('jni10')),
  () => {
    const functions = new Map(
      (jni === null ? [] : ['libjninvinfer.so', 'libjninvonnxparser.so']).flatMap((library) => [
        ...disassemble(join(jni as string, library)),
      ]),
    );

    /** Indices that the wrappers of one method call. */
    function called(className: string, method: string, overload: string | undefined): Set<number> {
      const indices = new Set<number>();
      const wrapper = new RegExp(`^Java_org_bytedeco_tensorrt_\\w+?_${className}_${method}(__\\w+)?$`);
      for (const [name, instructions] of functions) {
        const match = wrapper.exec(name);
        if (!match || (overload !== undefined && match[1] !== overload)) continue;
        for (const index of virtualCalls(instructions, DIRECT.includes(className))) indices.add(index);
      }
      return indices;
    }

    const rows = [...(ours?.methods ?? [])]
      .map(([name, method]) => ({ name, ...method, slot: ours?.ten.get(name) as number }))
      .filter(({ slot }) => slot !== NO_SLOT);

    test.each(rows)('$class::$method is $slot', ({ name, class: className, method, slot }) => {
      expect([...called(className.replace(/^V/, 'I'), method, OVERLOADS[name])]).toEqual([slot]);
    });

    test('the parser’s destructors follow clearErrors', () => {
      const [before] = called('IParser', 'clearErrors', undefined);
      const [after] = called('IParser', 'supportsModelV2', undefined);
      // Between them lie two destructors and seven methods, in the headers of 11 as well.
      expect((after as number) - (before as number)).toBe(ours!.ten.get('parser_delete_offset')! + 8);
    });

    test('what TensorRT calls in objects of ours', () => {
      expect(ours!.ten.get('implemented_log')).toBe(ours!.ten.get('log'));
      expect(ours!.eleven.get('implemented_log')).toBe(ours!.eleven.get('log'));
      for (const [name, className, method] of [
        ['interface_info', 'IVersionedInterface', 'getInterfaceInfo'],
        ['api_language', 'IVersionedInterface', 'getAPILanguage'],
        ['implemented_phase_start', 'IProgressMonitor', 'phaseStart'],
        ['step_complete', 'IProgressMonitor', 'stepComplete'],
        ['phase_finish', 'IProgressMonitor', 'phaseFinish'],
      ] as const) {
        const [index] = called(className, method, undefined);
        expect([name, index]).toEqual([name, ours!.ten.get(name)]);
      }
    });
  },
);
