// Server reflection, so that clients can list and describe what is served. One template for versions v1 and
// v1alpha, whose messages differ by package only: clients differ in which of them they ask, and gRPC's own
// library knows v1alpha only and registers its descriptors a second time.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/api/descriptor_lookup.h"
#include "server/api/errors.h"
#include "server/base/mutex.h"

namespace shmemd::api {

struct ReflectionV1 {
  using CallbackService = grpc::reflection::v1::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};

struct ReflectionV1Alpha {
  using CallbackService = grpc::reflection::v1alpha::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

template <typename Api>
class ReflectionService final : public Api::CallbackService {
 public:
  using Request = typename Api::Request;
  using Response = typename Api::Response;

  // `services`: the full names that are listed.
  explicit ReflectionService(std::vector<std::string> services) : services_(std::move(services)) {}

  grpc::ServerBidiReactor<Request, Response>* ServerReflectionInfo(grpc::CallbackServerContext*) override {
    auto conversation = std::make_shared<Conversation>(*this);
    bool ending = false;
    {
      base::MutexLock lock(mutex_);
      ending = ending_;
      conversations_.insert(conversation);
    }
    if (ending) conversation->End();
    return conversation.get();
  }

  // For good: streams end with UNAVAILABLE, also those that come later.
  void Shutdown() {
    std::set<std::shared_ptr<Conversation>> conversations;
    {
      base::MutexLock lock(mutex_);
      ending_ = true;
      conversations = conversations_;
    }
    for (const auto& conversation : conversations) conversation->End();
  }

 private:
  // One stream: reads a request, answers it, reads the next. Whoever takes the step that ends it, under the
  // mutex, is the only one to call Finish.
  class Conversation final : public grpc::ServerBidiReactor<Request, Response>,
                             public std::enable_shared_from_this<Conversation> {
   public:
    explicit Conversation(ReflectionService& service) : service_(service) { this->StartRead(&request_); }

    void End() {
      if (MayFinish(true, false)) this->Finish(ShuttingDown());
    }

    void OnReadDone(bool ok) override {
      if (!ok) {
        if (MayFinish(false, false)) this->Finish(grpc::Status::OK);
        return;
      }
      if (!BeginWrite()) return;
      response_.Clear();
      response_.set_valid_host(request_.host());
      *response_.mutable_original_request() = request_;
      Answer();
      this->StartWrite(&response_);
    }

    void OnWriteDone(bool ok) override {
      bool ending = false;
      if (MayGoOn(ok, ending)) {
        this->StartRead(&request_);
      } else if (MayFinish(false, true)) {
        this->Finish(ending ? ShuttingDown() : grpc::Status(grpc::StatusCode::CANCELLED, "the stream ended"));
      }
    }

    void OnDone() override { service_.Forget(this->shared_from_this()); }

   private:
    static grpc::Status ShuttingDown() {
      return Error(grpc::StatusCode::UNAVAILABLE, Reason::kShuttingDown, "shmemd is shutting down");
    }

    // False: the stream has ended meanwhile.
    bool BeginWrite() {
      base::MutexLock lock(mutex_);
      writing_ = !finished_;
      return writing_;
    }
    bool MayGoOn(bool ok, bool& ending) {
      base::MutexLock lock(mutex_);
      ending = ending_;
      if (!ok || ending_) return false;
      writing_ = false;
      return true;
    }
    // A write under way ends first, and then finishes.
    bool MayFinish(bool ending, bool written) {
      base::MutexLock lock(mutex_);
      if (ending) ending_ = true;
      if (written) writing_ = false;
      return !writing_ && !std::exchange(finished_, true);
    }

    void Answer() {
      switch (request_.message_request_case()) {
        case Request::kFileByFilename:
          return AnswerFiles(FileByName(request_.file_by_filename()));
        case Request::kFileContainingSymbol:
          return AnswerFiles(FileContainingSymbol(request_.file_containing_symbol()));
        case Request::kFileContainingExtension: {
          const auto& asked = request_.file_containing_extension();
          return AnswerFiles(FileContainingExtension(asked.containing_type(), asked.extension_number()));
        }
        case Request::kAllExtensionNumbersOfType:
          return AnswerExtensions(request_.all_extension_numbers_of_type());
        case Request::kListServices:
          for (const std::string& name : service_.services_) {
            response_.mutable_list_services_response()->add_service()->set_name(name);
          }
          return;
        case Request::MESSAGE_REQUEST_NOT_SET:
          return AnswerError(absl::InvalidArgumentError("the request asks for nothing that is known here"));
      }
    }

    void AnswerFiles(const absl::StatusOr<SerializedFiles>& files) {
      if (!files.ok()) return AnswerError(files.status());
      for (const std::string& file : *files) {
        response_.mutable_file_descriptor_response()->add_file_descriptor_proto(file);
      }
    }

    void AnswerExtensions(const std::string& message) {
      const absl::StatusOr<std::vector<int32_t>> numbers = ExtensionNumbers(message);
      if (!numbers.ok()) return AnswerError(numbers.status());
      auto& answer = *response_.mutable_all_extension_numbers_response();
      answer.set_base_type_name(message);
      for (int32_t number : *numbers) answer.add_extension_number(number);
    }

    void AnswerError(const absl::Status& status) {
      auto& answer = *response_.mutable_error_response();
      answer.set_error_code(static_cast<int32_t>(status.code()));
      answer.set_error_message(std::string(status.message()));
    }

    ReflectionService& service_;
    Request request_;
    Response response_;
    base::Mutex mutex_;
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool ending_ ABSL_GUARDED_BY(mutex_) = false;
    bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  };

  void Forget(const std::shared_ptr<Conversation>& conversation) {
    base::MutexLock lock(mutex_);
    conversations_.erase(conversation);
  }

  const std::vector<std::string> services_;
  base::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Conversation>> conversations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shmemd::api
