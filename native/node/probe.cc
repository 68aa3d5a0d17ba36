#include "node/probe.h"

#include <string>

#include "cuda/device.h"
#include "node/argument.h"
#include "node/error.h"
#include "tensorrt/library.h"

namespace t2i {

namespace {

Napi::Value text_or_null(Napi::Env env, const std::string& text) {
  return text.empty() ? env.Null() : Napi::String::New(env, text).As<Napi::Value>();
}

/// 13010 is CUDA 13.1.
Napi::Value cuda_version(Napi::Env env, int version) {
  if (version == 0) return env.Null();
  return Napi::String::New(env, std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10));
}

Napi::Object device_to_js(Napi::Env env, const cuda::DeviceInfo& device) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", device.index);
  object.Set("name", device.name);
  object.Set("computeCapability", std::to_string(device.compute_major) + "." + std::to_string(device.compute_minor));
  object.Set("memoryBytes", static_cast<double>(device.memory_bytes));
  return object;
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const cuda::DeviceProbe probe = cuda::probe();
    Napi::Object object = Napi::Object::New(env);
    object.Set("kind", cuda::device_kind());
    object.Set("available", probe.available);
    object.Set("reason", probe.reason);
    object.Set("hint", probe.hint);
    object.Set("driver", cuda_version(env, probe.driver_version));
    object.Set("runtime", cuda_version(env, probe.runtime_version));
    Napi::Array list = Napi::Array::New(env, probe.devices.size());
    for (uint32_t i = 0; i < probe.devices.size(); ++i) list.Set(i, device_to_js(env, probe.devices[i]));
    object.Set("devices", list);
    return object;
  });
}

const char* kind_name(tensorrt::Kind kind) {
  switch (kind) {
    case tensorrt::Kind::lean:
      return "lean";
    case tensorrt::Kind::rtx:
      return "rtx";
    case tensorrt::Kind::full:
      break;
  }
  return "full";
}

Napi::Object library_to_js(Napi::Env env, const tensorrt::LibraryInfo& library) {
  const auto& [major, minor, patch] = library.version;
  Napi::Array notes = Napi::Array::New(env, library.notes.size());
  for (uint32_t i = 0; i < library.notes.size(); ++i) notes.Set(i, library.notes[i]);
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", kind_name(library.kind));
  object.Set("path", library.path);
  object.Set("version", std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch));
  object.Set("parserPath", text_or_null(env, library.parser_path));
  object.Set("canBuild", library.can_build);
  object.Set("problem", text_or_null(env, library.problem));
  object.Set("hint", text_or_null(env, library.hint));
  object.Set("notes", notes);
  return object;
}

Napi::Value libraries(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Argument search(info[0], "search");
    tensorrt::SearchPath path;
    if (!search["only"].absent()) path.only = search["only"].string();
    if (!search["more"].absent()) {
      for (const Argument& folder : search["more"].list()) path.more.push_back(folder.string());
    }
    const auto found = tensorrt::find_libraries(path);
    Napi::Array list = Napi::Array::New(env, found.size());
    for (uint32_t i = 0; i < found.size(); ++i) list.Set(i, library_to_js(env, found[i]));
    return list;
  });
}

}  // namespace

void export_probe(Napi::Env env, Napi::Object exports) {
  exports.Set("devices", Napi::Function::New(env, devices, "devices"));
  exports.Set("libraries", Napi::Function::New(env, libraries, "libraries"));
}

}  // namespace t2i
