// metrics: what Prometheus gets.
#include <absl/strings/str_cat.h>

#include <memory>
#include <string>

#include "client/shmemctl/command_line.h"
#include "client/shmemctl/http_get.h"

namespace shmemd::shmemctl {
namespace {

ExitCode Metrics(Context& context, const std::string& address) {
  const auto text = HttpGet(address, "/metrics", context.timeout());
  if (!text.ok()) {
    context.Note(absl::StrCat("shmemctl: cannot read http://", address,
                              "/metrics: ", std::string(text.status().message())));
    return ExitCodeOf(text.status());
  }
  if (!context.quiet()) context.Print(*text);
  return ExitCode::kOk;
}

}  // namespace

void AddMetricsCommand(CommandLine* line) {
  auto address = std::make_shared<std::string>("127.0.0.1:18044");
  line->Add("metrics", "Print the metrics as Prometheus reads them",
            "metrics\nmetrics --metrics-endpoint '[::1]:18044'",
            [address](Context& context) { return Metrics(context, *address); })
      ->add_option("--metrics-endpoint", *address, "Where the metrics are (127.0.0.1:18044)")
      ->envname("SHMEMD_METRICS_ENDPOINT")
      ->type_name("HOST:PORT");
}

}  // namespace shmemd::shmemctl
