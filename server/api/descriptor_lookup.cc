#include "server/api/descriptor_lookup.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>

namespace shmemd::api {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

absl::StatusOr<SerializedFiles> WithDependencies(const FileDescriptor* file, const std::string& asked) {
  if (file == nullptr) return absl::NotFoundError(absl::StrCat("not found: ", asked));
  SerializedFiles out;
  std::vector<const FileDescriptor*> open{file};
  std::set<const FileDescriptor*> seen{file};
  for (size_t i = 0; i < open.size(); ++i) {
    google::protobuf::FileDescriptorProto proto;
    open[i]->CopyTo(&proto);
    // Without the names of JSON, clients that describe messages by reflection print those of the proto file
    // instead.
    open[i]->CopyJsonNameTo(&proto);
    out.push_back(proto.SerializeAsString());
    for (int d = 0; d < open[i]->dependency_count(); ++d) {
      const FileDescriptor* dependency = open[i]->dependency(d);
      if (seen.insert(dependency).second) open.push_back(dependency);
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<SerializedFiles> FileByName(const std::string& file) {
  return WithDependencies(Pool().FindFileByName(file), file);
}

absl::StatusOr<SerializedFiles> FileContainingSymbol(const std::string& symbol) {
  return WithDependencies(Pool().FindFileContainingSymbol(symbol), symbol);
}

absl::StatusOr<SerializedFiles> FileContainingExtension(const std::string& message, int32_t number) {
  const std::string asked = absl::StrCat("extension ", number, " of ", message);
  const auto* type = Pool().FindMessageTypeByName(message);
  const auto* extension = type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, number);
  return WithDependencies(extension == nullptr ? nullptr : extension->file(), asked);
}

absl::StatusOr<std::vector<int32_t>> ExtensionNumbers(const std::string& message) {
  const auto* type = Pool().FindMessageTypeByName(message);
  if (type == nullptr) return absl::NotFoundError(absl::StrCat("not found: ", message));
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  std::vector<int32_t> out;
  out.reserve(extensions.size());
  for (const auto* extension : extensions) out.push_back(extension->number());
  return out;
}

}  // namespace shmemd::api
