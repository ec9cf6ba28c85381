// `retort serve RUN`: puts a model behind an HTTP API until it is told to stop.
#include <cstdio>
#include <thread>

#include "retort/base/error.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/base/threads.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/serve/server.h"

namespace retort {
namespace {

struct ServeVerb {
  std::string model, reads, policy, exposure = "full";
  std::vector<std::string> key_env;
  int64_t requests_per_minute = 0, threads = 0;
  bool json = false;
  ServeOptions options;
};

void run(const ServeVerb& verb) {
  std::vector<ApiKey> keys;
  for (const std::string& env : verb.key_env) keys.push_back(key_from_environment(env, verb.requests_per_minute));
  if (!verb.policy.empty())
    for (ApiKey& key : keys_from_policy(verb.policy, verb.requests_per_minute)) keys.push_back(std::move(key));
  if (!keys.empty() && verb.exposure != "full")
    throw ConfigError("--exposure is for whoever comes without a key, and keys are asked for",
                      "give it with the key: --key-env NAME:" + verb.exposure);
  ApiKey anonymous;
  anonymous.name = "anonymous";
  anonymous.exposure = Exposure::parse(verb.exposure);
  anonymous.embeddings = anonymous.exposure.kind == Exposure::Kind::full;
  anonymous.requests_per_minute = verb.requests_per_minute;
  verb.options.check();
  use_threads(verb.threads, /*small_work=*/false);
  install_interrupt_handler();

  auto served = open_served(verb.model, verb.reads);
  const std::string name = served->name(), about = served->about();
  Server server(std::move(served), std::move(keys), std::move(anonymous), verb.options);
  if (verb.json)
    print_json({{"url", server.url()}, {"port", server.port()}, {"model", name}, {"about", about}});
  else
    print_text(fmt::format("serving {} ({}) on {}\n", name, about, server.url()));
  std::fflush(stdout);
  while (!interrupt_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  say("finishing what was asked; once more ends at once");
  server.drain();
}

}  // namespace

void add_serve_verb(CLI::App& app) {
  auto verb = std::make_shared<ServeVerb>();
  CLI::App* serve = app.add_subcommand("serve", "Put a model behind an HTTP API");
  ServeOptions& options = verb->options;
  serve->add_option("model", verb->model, "run folder, a .packed or .safetensors file, or a TorchScript file (.pt, .pth)")->required();
  serve->add_option("--reads", verb->reads, "TorchScript: the shape of its inputs (3,32,32), or a run whose inputs are prepared alike");
  serve->add_option("--host", options.host, "address to listen on; others than this machine's own want keys")->capture_default_str();
  serve->add_option("--port", options.port, "port; 0 for any free one, which is printed")->capture_default_str();
  serve->add_flag("--open", options.open, "let anyone ask who can reach the host, without a key");
  serve
      ->add_option("--key-env", verb->key_env,
                   "NAME[:EXPOSURE]: an environment variable that holds a token, and what its owner sees: full, labels, top-K, rounded-D, "
                   "noised-S; may be repeated")
      ->allow_extra_args(false);
  serve->add_option("--policy", verb->policy, "TOML file with keys, what they see and how often they may ask");
  serve->add_option("--exposure", verb->exposure, "what is shown where no key is asked for")->capture_default_str();
  serve->add_option("--requests-per-minute", verb->requests_per_minute, "of each key; 0 for no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  serve->add_option("--max-body", options.max_body, "bytes of a request")->capture_default_str();
  serve->add_option("--max-inputs", options.max_inputs, "inputs of a request")->capture_default_str();
  serve->add_option("--max-clients", options.max_clients, "connections at once")->capture_default_str();
  serve->add_option("--max-memory", options.max_memory, "bytes that requests in work may take together")->capture_default_str();
  serve->add_option("--batch", options.batch, "inputs that share a forward pass")->capture_default_str();
  serve->add_option("--batch-wait-ms", options.batch_wait_ms, "how long the first of them waits for company")->capture_default_str();
  serve->add_option("--queue", options.queue, "inputs that may wait for a forward pass")->capture_default_str();
  serve->add_option("--threads", verb->threads, "threads of a forward pass; 0 for all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  serve->add_flag("--json", verb->json, "print the address as JSON");
  serve->callback([verb] { run(*verb); });
}

}  // namespace retort
