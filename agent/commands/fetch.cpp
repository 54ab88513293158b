// impound fetch: acquires what is named on the command line, now, and says what it sealed.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "agent/work/anchoring.h"
#include "agent/work/capture_group.h"
#include "agent/work/fetch_talk.h"
#include "agent/work/fetch_targets.h"
#include "agent/work/holder.h"
#include "agent/work/interrupt.h"
#include "agent/work/orders.h"
#include "agent/work/session.h"
#include "agent/work/target.h"
#include "agent/work/url_targets.h"
#include "agent/work/waiting.h"

namespace impound::agent {

namespace {

struct FetchOptions {
  std::vector<std::string> targets;
  std::string case_name;
  std::vector<std::string> peers;
  bool metadata_only = false;
  std::string timeout;
  std::string accept_rollback;
  bool no_dht = false;
  bool yes = false;
  bool json = false;
};

/// Everything that can be judged without the vault, judged.
struct Order {
  Settings settings;
  fetchers::AddressPolicy policy;
  std::vector<Target> targets;
  std::optional<CaseName> case_name;
  std::optional<std::chrono::seconds> timeout;
  std::vector<evidence::TimestampAuthority> authorities;
  Routes routes;
};

Result<Order> judge(FetchOptions const& options, CommonOptions const& common) {
  Order order;
  for (std::string const& text : options.targets) {
    IMPOUND_TRY(target, parse_target(text));
    order.targets.push_back(std::move(target));
  }
  for (std::string const& peer : options.peers) IMPOUND_CHECK(parse_host_port(peer));
  if (!options.case_name.empty()) {
    order.case_name = CaseName::parse(options.case_name);
    if (!order.case_name)
      return Error{Code::usage, "this is no name of a case", options.case_name,
                   "[a-z0-9][a-z0-9._-]*, at most 64 characters"};
  }
  if (!options.timeout.empty()) {
    IMPOUND_TRY(timeout, duration_option("--timeout", options.timeout));
    order.timeout = timeout;
  }
  IMPOUND_TRY(settings, effective_settings(common));
  if (options.no_dht) settings.dht = false;
  IMPOUND_TRY(policy, address_policy(settings.allow_net));
  IMPOUND_TRY(authorities, timestamp_authorities(settings.timestamps));
  order.authorities = std::move(authorities);
  IMPOUND_TRY(routes, Routes::of(settings));
  IMPOUND_CHECK(check_torrents_allowed(routes.default_route(), settings.file));
  IMPOUND_CHECK(check_peers_reached(routes.default_route(), options.peers));
  order.routes = std::move(routes);
  if (!order.timeout) order.timeout = settings.torrent_timeout;
  order.settings = std::move(settings);
  order.policy = std::move(policy);
  return order;
}

class Fetch {
 public:
  Fetch(FetchOptions const& options, Order const& order, Session& session, CaptureGroup& captures,
        Invocation& invocation, Terminal& terminal, ControlSocket& socket)
      : options_(options),
        order_(order),
        session_(session),
        interrupt_(invocation.interrupt),
        terminal_(terminal),
        talk_(options.json,
              {[&terminal](std::string const& text) { terminal.say(text); }, print,
               [this](Error const& error) { worst_ = worse(worst_, tell(error)); }},
              order.settings.vault),
        captures_(captures),
        reader_(session, terminal),
        urls_(session, order.settings, captures, reader_, [&terminal](std::string const& text) { terminal.say(text); }),
        acquisitions_(session, order.settings, order.policy, order.routes, terminal),
        targets_(
            acquisitions_, urls_, talk_,
            {{who(order.settings), order.case_name}, options.peers, options.metadata_only, order.timeout},
            order.settings.dht && !order.routes.default_route().proxy,
            [this](UrlTargets::Page const& page) { return wants(page); }, [this] { return interrupt_.asked(); }),
        anchoring_(session, order.settings, order.authorities, order.policy, order.routes),
        socket_(socket),
        orders_(socket, session, order.settings, order.routes, captures, reader_, acquisitions_, anchoring_,
                [this] { return interrupt_.asked(); }) {}

  Result<ExitCode> run() {
    bool all_begun = true;
    for (Target const& target : order_.targets) {
      if (interrupt_.asked()) {
        all_begun = false;
        break;
      }
      auto const begun = targets_.begin(target);
      if (begun) continue;
      // Its open attempt took a route that is gone, or the like: the other targets are taken all the same.
      bool const alone = begun.error().code == Code::usage && order_.targets.size() == 1;
      if (alone || of_the_log(begun.error())) return begun.error();
      talk_.fail(begun.error());
    }
    IMPOUND_TRY(waiting, Waiting::make(captures_, acquisitions_, socket_.descriptor()));
    while ((!waiting.idle() || orders_.waited_for()) && !interrupt_.asked()) {
      IMPOUND_CHECK(waiting.turn(std::chrono::milliseconds{500}));
      IMPOUND_CHECK(orders_.work());
      talk_.progress(acquisitions_.progress());
      tell_outcomes();
    }
    IMPOUND_CHECK(waiting.end_captures());
    tell_outcomes();
    if (acquisitions_.idle() && all_begun && !targets_.cut()) {
      tell_timestamp();
      return interrupt_.asked() ? ExitCode::interrupted : worst_;
    }
    acquisitions_.interrupt();
    terminal_.say("interrupted; what is there stays in staging, and the same command goes on from it");
    return ExitCode::interrupted;
  }

 private:
  static void print(std::string const& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  /// A person at a terminal is asked; else --yes or the settings say it.
  bool wants(UrlTargets::Page const& page) {
    if (options_.yes || urls_.acquired_by_settings(page.url)) return true;
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return false;
    std::size_t const count = page.named.torrents.size() + page.named.links.size();
    std::fprintf(stderr, "Acquire what the page names, %zu torrent(s)? [y/N] ", count);
    std::fflush(stderr);
    pollfd both[] = {{STDIN_FILENO, POLLIN, 0}, {interrupt_.descriptor(), POLLIN, 0}};
    if (::poll(both, 2, -1) <= 0 || (both[1].revents & POLLIN) != 0) return false;
    char answer[16] = "";
    return std::fgets(answer, sizeof answer, stdin) != nullptr && (answer[0] == 'y' || answer[0] == 'Y');
  }

  void tell_outcomes() {
    for (AcquisitionOutcome const& outcome : acquisitions_.take_outcomes()) {
      terminal_.clear();
      anchoring_.want(true);
      orders_.tell(outcome);
      if (!talk_.waits_for(outcome.attempt)) continue;  // another command's
      ended_ = true;
      if (!talk_.outcome(outcome)) worst_ = worse(worst_, ExitCode::failed);
    }
    if (acquisitions_.idle() && !targets_.waits()) talk_.end();
  }

  /// A result that was written is worth a timestamp; nobody is kept waiting long for it.
  void tell_timestamp() {
    if (!anchoring_.configured() || !ended_) return;
    std::string const said = text(anchoring_.wait(timestamp_wait, interrupt_.descriptor()));
    terminal_.clear();
    talk_.timestamp(said);
  }

  FetchOptions const& options_;
  Order const& order_;
  Session& session_;
  Interrupt& interrupt_;
  Terminal& terminal_;
  ExitCode worst_ = ExitCode::done;
  FetchTalk talk_;
  CaptureGroup& captures_;
  PageReader reader_;
  UrlTargets urls_;
  Acquisitions acquisitions_;
  FetchTargets targets_;
  Anchoring anchoring_;
  ControlSocket& socket_;
  Orders orders_;
  bool ended_ = false;  // at least one acquisition
};

/// To the agent that holds the vault: what it has to know of the targets, and then the order.
Result<ExitCode> order_there(FetchOptions const& options, Order const& order, Invocation& invocation,
                             Error const& held) {
  if (!invocation.common.allow_net.empty() || options.no_dht || !options.accept_rollback.empty())
    return Error{
        Code::usage,
        "--allow-net, --no-dht and --accept-rollback are the holder's to set, and another process holds the vault",
        held.what, "Leave them out, and the acquisition becomes a job of that process"};
  std::vector<ControlOrder> orders;
  for (std::size_t i = 0; i < order.targets.size(); ++i) {
    auto const* const torrent = std::get_if<TorrentTarget>(&order.targets[i]);
    if (torrent == nullptr || !torrent->torrent) {
      orders.emplace_back(TargetText{options.targets[i]});
      continue;
    }
    for (std::string_view left = *torrent->torrent; !left.empty();) {
      std::string_view const piece = left.substr(0, control_piece_bytes_max);
      left.remove_prefix(piece.size());
      orders.emplace_back(TargetPiece{std::string(piece), left.empty()});
    }
  }
  FetchOrder last{options.case_name, options.peers, options.metadata_only, options.yes, {}};
  if (!options.timeout.empty()) last.timeout_s = static_cast<std::uint64_t>(order.timeout->count());
  orders.emplace_back(std::move(last));
  Ordering const ordering{"fetch", invocation.common.quiet, options.json, invocation.interrupt.descriptor()};
  auto const exit = hand_over(order.settings, ordering, orders, held);
  if (!exit && exit.error().code == Code::cancelled) {
    Terminal{invocation.common.quiet}.say(
        "interrupted; the process that holds the vault goes on with it, and `impound status` shows how far it is");
    return ExitCode::interrupted;
  }
  if (!exit) return exit.error();
  return static_cast<ExitCode>(exit.value());
}

Result<ExitCode> fetch(FetchOptions const& options, Invocation& invocation) {
  IMPOUND_TRY(order, judge(options, invocation.common));
  auto session =
      Session::open(order.settings, "fetch", invocation.clock, invocation.randomness, options.accept_rollback);
  if (!session && session.error().code == Code::held) return order_there(options, order, invocation, session.error());
  if (!session) return with_init_hint(std::move(session).error(), order.settings);
  Terminal terminal{invocation.common.quiet};
  for (std::string const& remark : session.value()->remarks()) terminal.say(remark);
  // Its thread for timestamps has ended before the vault is closed: nothing is written behind the last signature.
  auto const state = state_folder(session.value()->vault().identity());
  auto const run = [&]() -> Result<ExitCode> {
    IMPOUND_TRY(socket, ControlSocket::listen(state, "fetch", invocation.interrupt.descriptor()));
    IMPOUND_TRY(captures, CaptureGroup::make(*session.value(), order.settings, order.routes, order.policy,
                                             [&invocation] { return invocation.interrupt.asked(); }));
    return Fetch{options, order, *session.value(), *captures, invocation, terminal, *socket}.run();
  };
  auto const code = run();
  auto const closed = session.value()->close(!code                                   ? "error"
                                             : code.value() == ExitCode::interrupted ? "signal"
                                                                                     : "done");
  if (!code) return code;
  if (!closed) return closed.error();
  return code;
}

}  // namespace

void add_fetch(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<FetchOptions>();
  CommandLine command =
      program.command("fetch", "acquires torrents: sealed, logged, nothing handed on", [options, &invocation] {
        invocation.chosen = [options, &invocation] {
          auto const code = fetch(*options, invocation);
          return code ? code.value() : tell(code.error());
        };
      });
  command.positionals("TARGET", options->targets, "magnet, info-hash, .torrent file, its URL, or the URL of a page",
                      CommandLine::Need::required);
  command.option("--case", options->case_name, "the case these acquisitions belong to");
  command.repeated("--peer", options->peers,
                   "HOST:PORT of a peer to ask; repeatable; exempt from the address table for exactly that");
  command.flag("--metadata-only", options->metadata_only, "seals the metadata, leaves the payload");
  command.option("--timeout", options->timeout, "gives up after so long without a new byte, e.g. 30m");
  command.option("--accept-rollback", options->accept_rollback,
                 "REASON to go on although the vault is behind its memory; logged");
  command.flag("--no-dht", options->no_dht,
               "does not ask the DHT for peers (else $IMPOUND_DHT=off, or [torrents] dht)");
  command.flag("--json", options->json, "one object an event, on stdout");
  command.flag("--yes", options->yes, "acquires what a page names without asking");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
