#include "server/api/certificate_store.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "server/base/clock.h"
#include "server/base/thread_name.h"

namespace shmemd::api {
namespace {

// Files that are replaced one after the other do not fit together for a moment: nothing is said of a fault
// that has gone when they are read again after this time.
constexpr std::chrono::milliseconds kSecondLook{1000};

int64_t NowSeconds() { return base::WallNanos() / 1'000'000'000; }

absl::Status Refusal(const TlsFault& fault) { return absl::InvalidArgumentError(fault.Text()); }

std::optional<TlsFault> ReadAll(const TlsFiles& files, CertificateSet& set) {
  TlsTexts texts;
  if (auto fault = ReadTlsFiles(files, texts)) return fault;
  return CheckTlsTexts(files, texts, NowSeconds(), set);
}

}  // namespace

absl::Status CertificateStore::Check(const TlsFiles& files) {
  CertificateSet set;
  const std::optional<TlsFault> fault = ReadAll(files, set);
  return fault ? Refusal(*fault) : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CertificateStore>> CertificateStore::Open(const TlsFiles& files,
                                                                         std::chrono::milliseconds refresh,
                                                                         feed::ServerFindings& findings,
                                                                         LogSink log) {
  auto store =
      std::unique_ptr<CertificateStore>(new CertificateStore(files, refresh, findings, std::move(log)));
  CertificateSet set;
  if (const auto fault = ReadAll(files, set)) return Refusal(*fault);
  store->Take(set);
  // Clients say what they think of such a certificate; back-ends and guests go on without them.
  if (const auto fault = CheckTlsTimes(files, set, NowSeconds())) store->Report(fault);
  store->thread_ = std::thread([raw = store.get()] { raw->Run(); });
  return store;
}

CertificateStore::CertificateStore(const TlsFiles& files, std::chrono::milliseconds refresh,
                                   feed::ServerFindings& findings, LogSink log)
    : files_(files), refresh_(refresh), findings_(findings), log_(std::move(log)) {}

CertificateStore::~CertificateStore() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

CertificateStore::Version CertificateStore::current() const {
  base::MutexLock lock(mutex_);
  return version_;
}

std::vector<CertificateStore::Expiry> CertificateStore::expiries() const {
  base::MutexLock lock(mutex_);
  return {{"certificate", expiry_}, {"client_ca", client_ca_expiry_}};
}

void CertificateStore::Take(const CertificateSet& set) {
  set_ = set;
  {
    base::MutexLock lock(mutex_);
    ++version_.number;
    version_.texts = std::make_shared<const TlsTexts>(set.texts);
  }
  UpdateExpiries(set);
  if (!log_) return;
  log_(LogLevel::kInfo, absl::StrCat("tls: new connections get certificate ", set.serial, " of ", set.subject,
                                     " from ", files_.certificate));
  if (IsReadableByOthers(files_.key)) {
    log_(LogLevel::kWarning, absl::StrCat("tls.key ", files_.key, " is readable by everybody on this host"));
  }
}

// One CA of several runs out, and the next to do so counts.
void CertificateStore::UpdateExpiries(const CertificateSet& set) {
  set_.client_ca_expiry = set.client_ca_expiry;
  base::MutexLock lock(mutex_);
  expiry_ = set.expiry;
  client_ca_expiry_ = set.client_ca_expiry;
}

void CertificateStore::Run() {
  base::NameThisThread("certificates");
  bool look_again = false;
  while (true) {
    {
      base::MutexLock lock(mutex_);
      const auto pause = look_again ? std::min(refresh_, kSecondLook) : refresh_;
      wake_.wait_for(mutex_, pause, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; });
      if (stopping_) return;
    }
    const std::optional<TlsFault> fault = Refresh();
    const bool is_new = fault && !reported_ && !look_again;
    look_again = is_new;
    if (!is_new) Report(fault);
  }
}

std::optional<TlsFault> CertificateStore::Refresh() {
  TlsTexts texts;
  if (auto fault = ReadTlsFiles(files_, texts)) return fault;
  const int64_t now = NowSeconds();
  CertificateSet set;
  if (auto fault = CheckTlsTexts(files_, texts, now, set)) return fault;
  std::optional<TlsFault> fault = CheckTlsTimes(files_, set, now);
  if (texts == set_.texts) {
    UpdateExpiries(set);
  } else if (!fault) {
    Take(set);
  }
  return fault;
}

void CertificateStore::Report(const std::optional<TlsFault>& fault) {
  const bool in_use = fault && fault == CheckTlsTimes(files_, set_, NowSeconds());
  if (fault) {
    findings_.Raise(state::FindingCode::kCertificateUnreadable,
                    absl::StrCat(fault->Text(), in_use ? "; it is in use all the same"
                                                       : "; new connections get what was read before"),
                    {{"setting", fault->setting}, {"file", fault->file}, {"reason", fault->reason}});
  } else {
    findings_.Close(state::FindingCode::kCertificateUnreadable);
  }
  if (fault == reported_) return;
  if (log_ && fault) {
    log_(LogLevel::kWarning,
         absl::StrCat("tls: ", fault->Text(),
                      in_use ? "; it is in use all the same" : "; what was read before is kept"));
  } else if (log_) {
    log_(LogLevel::kInfo, absl::StrCat("tls: ", reported_->file, " can be used again"));
  }
  reported_ = fault;
}

}  // namespace shmemd::api
