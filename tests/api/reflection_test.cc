#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <set>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/api/reflection_service.h"
#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using testing::UnorderedElementsAre;

struct V1 : ReflectionV1 {
  using Service = grpc::reflection::v1::ServerReflection;
};
struct V1Alpha : ReflectionV1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection;
};

// One stream over which questions are asked, as clients of either version do.
template <typename Api>
class ReflectionTest : public ApiTest {
 protected:
  using Request = typename Api::Request;
  using Response = typename Api::Response;

  void SetUp() override {
    ApiTest::SetUp();
    stub_ = Api::Service::NewStub(channel_);
    SetTestDeadline(context_);
    stream_ = stub_->ServerReflectionInfo(&context_);
  }
  void TearDown() override {
    stream_->WritesDone();
    EXPECT_TRUE(stream_->Finish().ok());
  }

  Response Ask(const Request& request) {
    Response response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
    return response;
  }
  std::vector<std::string> Services() {
    Request request;
    request.set_list_services("*");
    std::vector<std::string> names;
    const Response response = Ask(request);
    for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
    return names;
  }
  static std::vector<google::protobuf::FileDescriptorProto> Files(const Response& response) {
    std::vector<google::protobuf::FileDescriptorProto> files;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      EXPECT_TRUE(files.emplace_back().ParseFromString(bytes));
    }
    return files;
  }

  grpc::ClientContext context_;
  std::unique_ptr<typename Api::Service::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
};

using Versions = testing::Types<V1, V1Alpha>;
TYPED_TEST_SUITE(ReflectionTest, Versions);

TYPED_TEST(ReflectionTest, AllServicesAreListed) {
  EXPECT_THAT(this->Services(),
              UnorderedElementsAre("grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                   "grpc.reflection.v1alpha.ServerReflection", "vhost.shmem.v1.ShmemAdmin",
                                   "vhost.shmem.v1.ShmemInspector"));
}

TYPED_TEST(ReflectionTest, EachListedServiceCanBeDescribedWithAllThatItNeeds) {
  for (const std::string& name : this->Services()) {
    typename TypeParam::Request request;
    request.set_file_containing_symbol(name);
    const auto files = this->Files(this->Ask(request));
    ASSERT_FALSE(files.empty()) << name;
    std::set<std::string> names;
    for (const auto& file : files) names.insert(file.name());
    for (const auto& file : files) {
      for (const std::string& dependency : file.dependency())
        EXPECT_EQ(names.count(dependency), 1) << dependency;
    }
    bool found = false;
    for (const auto& service : files[0].service()) found |= files[0].package() + "." + service.name() == name;
    EXPECT_TRUE(found) << name;
  }
}

TYPED_TEST(ReflectionTest, MethodsAndMessagesAreFoundToo) {
  for (const char* symbol : {"vhost.shmem.v1.ShmemInspector.ListRegions", "vhost.shmem.v1.Region",
                             "vhost.shmem.v1.Region.ExposedByFrontend"}) {
    typename TypeParam::Request request;
    request.set_file_containing_symbol(symbol);
    EXPECT_FALSE(this->Files(this->Ask(request)).empty()) << symbol;
  }
  typename TypeParam::Request request;
  request.set_file_by_filename("vhost/shmem/v1/region.proto");
  const auto files = this->Files(this->Ask(request));
  ASSERT_FALSE(files.empty());
  EXPECT_EQ(files[0].name(), "vhost/shmem/v1/region.proto");
}

TYPED_TEST(ReflectionTest, ExtensionsAreAnswered) {
  typename TypeParam::Request request;
  request.set_all_extension_numbers_of_type("vhost.shmem.v1.Region");
  const auto response = this->Ask(request);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "vhost.shmem.v1.Region");
  EXPECT_EQ(response.all_extension_numbers_response().extension_number_size(), 0);
}

TYPED_TEST(ReflectionTest, WhatIsNotKnownIsAnErrorOfTheAnswerNotOfTheStream) {
  constexpr int kNotFound = 5;
  constexpr int kInvalidArgument = 3;
  typename TypeParam::Request request;
  request.set_file_by_filename("no/such.proto");
  EXPECT_EQ(this->Ask(request).error_response().error_code(), kNotFound);
  request.set_file_containing_symbol("no.such.Symbol");
  EXPECT_EQ(this->Ask(request).error_response().error_code(), kNotFound);
  request.set_all_extension_numbers_of_type("no.such.Type");
  EXPECT_EQ(this->Ask(request).error_response().error_code(), kNotFound);
  request.mutable_file_containing_extension()->set_containing_type("vhost.shmem.v1.Region");
  request.mutable_file_containing_extension()->set_extension_number(1);
  EXPECT_EQ(this->Ask(request).error_response().error_code(), kNotFound);
  request.Clear();
  EXPECT_EQ(this->Ask(request).error_response().error_code(), kInvalidArgument);
  EXPECT_EQ(this->Services().size(), 5);
}

class HealthTest : public ApiTest {
 protected:
  grpc::Status Check(const std::string& service, grpc::health::v1::HealthCheckResponse& response) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    return grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
  }
};

TEST_F(HealthTest, TheServerAndBothServicesAreServing) {
  for (const char* service : {"", "vhost.shmem.v1.ShmemInspector", "vhost.shmem.v1.ShmemAdmin"}) {
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(Check(service, response).ok()) << service;
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING) << service;
  }
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_EQ(Check("no.such.Service", response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthTest, AWatcherSeesTheEndComing) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  const auto stream = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  // Much longer than the test may take: the stream must not make the server wait for it.
  std::thread shutdown([this] { server_.Shutdown(std::chrono::minutes(10)); });
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), IsError(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN"));
  shutdown.join();
}

TEST_F(HealthTest, AWatcherOfWhatIsNotServedIsToldAndEndsToo) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("no.such.Service");
  const auto stream = stub->Watch(&context, request);
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN);
  std::thread shutdown([this] { server_.Shutdown(std::chrono::minutes(10)); });
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  shutdown.join();
}

TEST_F(HealthTest, WatchersThatGoAwayAreForgotten) {
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    const auto stub = grpc::health::v1::Health::NewStub(channel_);
    const auto stream = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
    grpc::health::v1::HealthCheckResponse response;
    if (i % 2 == 0) {
      EXPECT_TRUE(stream->Read(&response));
    }
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  server_.Shutdown(std::chrono::minutes(10));
}

}  // namespace
}  // namespace shmemd::api
