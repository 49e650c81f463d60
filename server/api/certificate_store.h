// The certificates that new TLS connections get: read again every refresh interval, taken over as a whole
// when everything fits together, else kept as they were, with the finding CERTIFICATE_UNREADABLE.
//
// Owned by ApiServer. A thread of its own reads; any thread may ask.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/api/certificate_set.h"
#include "server/api/log_sink.h"
#include "server/base/mutex.h"
#include "server/feed/server_findings.h"

namespace shmemd::api {

class CertificateStore {
 public:
  struct Expiry {
    std::string file;  // "certificate", "client_ca"
    int64_t time = 0;  // seconds since the epoch
  };

  // InvalidArgument, naming setting, file and reason, if the files cannot be used. What has expired or does
  // not hold yet is used, with the finding: it must not keep a relay from starting. `findings` outlives the
  // store.
  static absl::StatusOr<std::unique_ptr<CertificateStore>> Open(const TlsFiles& files,
                                                                std::chrono::milliseconds refresh,
                                                                feed::ServerFindings& findings, LogSink log);
  // The InvalidArgument that Open would give.
  static absl::Status Check(const TlsFiles& files);
  ~CertificateStore();
  CertificateStore(const CertificateStore&) = delete;
  CertificateStore& operator=(const CertificateStore&) = delete;

  struct Version {
    uint64_t number = 0;  // grows with each change; from 1
    std::shared_ptr<const TlsTexts> texts;
  };
  Version current() const;
  std::vector<Expiry> expiries() const;

 private:
  CertificateStore(const TlsFiles& files, std::chrono::milliseconds refresh, feed::ServerFindings& findings,
                   LogSink log);

  void Take(const CertificateSet& set);
  void UpdateExpiries(const CertificateSet& set);
  void Run();
  // What is wrong with the files now; takes over what is new and right.
  std::optional<TlsFault> Refresh();
  void Report(const std::optional<TlsFault>& fault);

  const TlsFiles files_;
  const std::chrono::milliseconds refresh_;
  feed::ServerFindings& findings_;
  const LogSink log_;

  // Of the thread that reads.
  CertificateSet set_;
  std::optional<TlsFault> reported_;

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  Version version_ ABSL_GUARDED_BY(mutex_);
  int64_t expiry_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t client_ca_expiry_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shmemd::api
