// Uses what a mover of messages must not: the link check has to catch this library.
#include <string>

namespace google::protobuf {
class MessageLite {
 public:
  std::string SerializeAsString() const;
};
}  // namespace google::protobuf

extern "C" int grpc_is_initialized();

namespace shmemd::planted {
std::string Leak(const google::protobuf::MessageLite& message) {
  return grpc_is_initialized() != 0 ? message.SerializeAsString() : std::string();
}
}  // namespace shmemd::planted
