// A client of Watch, and the copy that it keeps from nothing but its stream.
#pragma once

#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "shmemd/shmem_table.h"
#include "tests/api/api_fixture.h"

namespace shmemd::api {

// The client library's table, comparable.
class WatchCopy : public client::ShmemTable {
 public:
  // All of it, as text that is equal for equal states.
  std::string Text() const {
    std::string text;
    for (const auto& [name, item] : backends()) text += item.ShortDebugString() + "\n";
    for (const auto& [name, item] : regions()) text += item.ShortDebugString() + "\n";
    for (const auto& [name, item] : mappings()) text += item.ShortDebugString() + "\n";
    return text;
  }
  std::string names() const {
    std::string text;
    for (const auto& [name, item] : backends()) text += name + " ";
    for (const auto& [name, item] : regions()) text += name + " ";
    for (const auto& [name, item] : mappings()) text += name + " ";
    return text;
  }
};

// What the lists say, of everything below `backend` ("-": all).
inline std::string StateOf(v1::ShmemInspector::Stub& inspector, const std::string& backend = "-") {
  WatchCopy state;
  const std::string parent = "backends/" + backend;
  const auto all = [&](auto request, auto response, auto method, auto items) {
    request.set_page_size(1000);
    do {
      grpc::ClientContext context;
      SetTestDeadline(context);
      response.Clear();
      EXPECT_TRUE((inspector.*method)(&context, request, &response).ok());
      for (const auto& item : items(response)) state.Put(item);
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
  };
  using Stub = v1::ShmemInspector::Stub;
  if (backend == "-") {
    all(
        v1::ListBackendsRequest(), v1::ListBackendsResponse(), &Stub::ListBackends,
        [](const auto& page) -> const auto& { return page.backends(); });
  } else {
    grpc::ClientContext context;
    v1::GetBackendRequest request;
    request.set_name(parent);
    request.set_view(v1::VIEW_BASIC);
    v1::Backend item;
    EXPECT_TRUE(inspector.GetBackend(&context, request, &item).ok());
    state.Put(item);
  }
  v1::ListRegionsRequest regions;
  regions.set_parent(parent);
  all(
      regions, v1::ListRegionsResponse(), &Stub::ListRegions,
      [](const auto& page) -> const auto& { return page.regions(); });
  v1::ListMappingsRequest mappings;
  mappings.set_parent(parent);
  all(
      mappings, v1::ListMappingsResponse(), &Stub::ListMappings,
      [](const auto& page) -> const auto& { return page.mappings(); });
  return state.Text();
}

// One stream. Cancelled when it goes out of scope.
class WatchClient {
 public:
  WatchClient(v1::ShmemInspector::Stub& inspector, const v1::WatchRequest& request, WatchCopy copy = {})
      : context_(std::make_unique<grpc::ClientContext>()),
        copy_(std::move(copy)),
        token_(request.resume_token()),
        synced_(!request.resume_token().empty()) {
    SetTestDeadline(*context_);
    reader_ = inspector.Watch(context_.get(), request);
  }
  ~WatchClient() {
    if (reader_ != nullptr) Cancel();
  }
  WatchClient(WatchClient&&) = default;

  // Empty, and a failure, when the stream ended.
  v1::WatchResponse Next() {
    v1::WatchResponse response;
    if (reader_ == nullptr) return response;
    if (!reader_->Read(&response)) {
      const grpc::Status status = reader_->Finish();
      ADD_FAILURE() << "the stream ended: " << status.error_message();
      reader_.reset();
      return response;
    }
    if (response.has_snapshot_begin()) synced_ = false;
    if (response.has_synced()) synced_ = true;
    EXPECT_GE(response.revision(), revision_);
    revision_ = response.revision();
    token_ = response.resume_token();
    copy_.Take(response);
    return response;
  }
  void UntilSynced() {
    while (!synced_ && reader_ != nullptr) Next();
  }
  // Equal to what was shown at that revision, or later.
  void Until(uint64_t revision) {
    while ((revision_ < static_cast<int64_t>(revision) || !synced_) && reader_ != nullptr) Next();
  }
  // What the stream ends with; nothing may come before.
  grpc::Status Finish() {
    v1::WatchResponse response;
    EXPECT_FALSE(reader_->Read(&response)) << response.ShortDebugString();
    grpc::Status status = reader_->Finish();
    reader_.reset();
    return status;
  }
  void Cancel() {
    context_->TryCancel();
    v1::WatchResponse rest;
    while (reader_->Read(&rest)) {
    }
    reader_->Finish();
    reader_.reset();
  }

  bool synced() const { return synced_; }
  const std::string& token() const { return token_; }
  const WatchCopy& copy() const { return copy_; }
  WatchCopy TakeCopy() { return std::move(copy_); }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> reader_;
  WatchCopy copy_;
  std::string token_;
  int64_t revision_ = 0;
  bool synced_;
};

}  // namespace shmemd::api
