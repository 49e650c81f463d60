#include "server/vhost/names.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>

#include "server/vhost/message_table.h"

namespace shmemd::vhost {
namespace {

constexpr std::array<std::string_view, kProtocolFeatureCount> kFeatureNames{
    "MQ",
    "LOG_SHMFD",
    "RARP",
    "REPLY_ACK",
    "MTU",
    "BACKEND_REQ",
    "CROSS_ENDIAN",
    "CRYPTO_SESSION",
    "PAGEFAULT",
    "CONFIG",
    "BACKEND_SEND_FD",
    "HOST_NOTIFIER",
    "INFLIGHT_SHMFD",
    "RESET_DEVICE",
    "INBAND_NOTIFICATIONS",
    "CONFIGURE_MEM_SLOTS",
    "STATUS",
    "XEN_MMAP",
    "SHARED_OBJECT",
    "DEVICE_STATE",
    "GET_VRING_BASE_INFLIGHT",
    "GPA_ADDRESSES",
    "SHMEM",
};

absl::string_view OrElse(std::string_view name, absl::string_view fallback) {
  return name.empty() ? fallback : absl::string_view(name.data(), name.size());
}

}  // namespace

std::string_view MessageName(Channel channel, uint32_t id) {
  const MessageInfo* message = FindMessage(channel, id);
  return message == nullptr ? std::string_view{} : message->name;
}

std::string MessageText(Channel channel, uint32_t id) {
  return absl::StrCat(OrElse(MessageName(channel, id), "unknown message"), " (", id, ")");
}

std::string_view FeatureName(unsigned bit) {
  return bit < kFeatureNames.size() ? kFeatureNames[bit] : std::string_view{};
}

const HistoricShmemBit* FindHistoricShmemBit(uint64_t mask) {
  if (Has(mask, ProtocolFeature::kShmem)) return nullptr;
  const HistoricShmemBit* found = nullptr;
  for (const HistoricShmemBit& candidate : kHistoricShmemBits) {
    if ((mask >> candidate.bit & 1) != 0) found = &candidate;
  }
  return found;
}

}  // namespace shmemd::vhost
