// impound fetch: acquires what is named on the command line, now, and says what it sealed.
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "agent/work/anchoring.h"
#include "agent/work/capture.h"
#include "agent/work/fetch_report.h"
#include "agent/work/interrupt.h"
#include "agent/work/outcome_text.h"
#include "agent/work/session.h"
#include "agent/work/target.h"

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
  Fetch(FetchOptions const& options, Order const& order, Session& session, Invocation& invocation, Terminal& terminal)
      : options_(options),
        order_(order),
        session_(session),
        interrupt_(invocation.interrupt),
        terminal_(terminal),
        report_(options.json),
        clients_(invocation.clock, order.policy, order.settings.user_agent, order.routes),
        captures_(session, order.settings, clients_, [this] { return interrupt_.asked(); }),
        acquisitions_(session, order.settings, order.policy, order.routes, terminal),
        anchoring_(session, order.settings, order.authorities, order.policy, order.routes) {}

  Result<ExitCode> run() {
    ExitCode worst = ExitCode::done;
    bool all_begun = true;
    for (Target const& target : order_.targets) {
      if (interrupt_.asked()) {
        all_begun = false;
        break;
      }
      IMPOUND_TRY(torrent, torrent_of(target));
      if (!torrent) {
        worst = ExitCode::failed;
      } else {
        auto const begun = begin(std::move(*torrent));
        // Its open attempt took a route that is gone, or the like: the other targets are taken all the same.
        if (!begun && (begun.error().code != Code::usage || order_.targets.size() == 1)) return begun.error();
        worst = worse(worst, begun ? begun.value() : tell(begun.error()));
      }
    }
    while (!acquisitions_.idle() && !interrupt_.asked()) {
      IMPOUND_CHECK(acquisitions_.pump(std::chrono::milliseconds{1000}, interrupt_.descriptor()));
      if (report_.json()) report_.progress(acquisitions_.progress());
      worst = worse(worst, tell_outcomes());
    }
    worst = worse(worst, tell_outcomes());
    if (acquisitions_.idle() && all_begun && !capture_cut_) {
      tell_timestamp();
      return interrupt_.asked() ? ExitCode::interrupted : worst;
    }
    acquisitions_.interrupt();
    terminal_.say("interrupted; what is there stays in staging, and the same command goes on from it");
    return ExitCode::interrupted;
  }

 private:
  /// A .torrent's URL is captured first, like everything that comes over HTTP. Nothing when it could not be had.
  Result<std::optional<TorrentTarget>> torrent_of(Target const& target) {
    if (auto const* torrent = std::get_if<TorrentTarget>(&target)) return std::optional{*torrent};
    fetchers::Url const& url = std::get<UrlTarget>(target).url;
    CaptureOrder order{.url = url, .case_name = order_.case_name, .by = who(order_.settings)};
    IMPOUND_TRY(captured, captures_.capture(order, [](Captured&) { return true; }));
    if (!captured.usable && interrupt_.asked()) {
      capture_cut_ = true;
      return std::optional<TorrentTarget>{};
    }
    if (!captured.usable) {
      tell(Error{Code::unreachable, "the URL gave nothing to acquire: " + captured.problem, url.text(), {}});
      return std::optional<TorrentTarget>{};
    }
    auto torrent = torrent_target(std::move(captured.body));
    if (!torrent) {
      tell(Error{Code::malformed, "what the URL gave is captured, but it is no .torrent: " + line(torrent.error()),
                 url.text(),
                 "A page's links are not followed by this version: name the .torrent or the magnet itself"});
      return std::optional<TorrentTarget>{};
    }
    torrent.value().torrent_capture = captured.result;
    torrent.value().torrent_media_type = captured.media_type;
    return std::optional{std::move(torrent).value()};
  }

  Result<ExitCode> begin(TorrentTarget torrent) {
    InfoHashes const hashes = torrent.hashes;
    std::size_t const sources = torrent.trackers.size() + torrent.peers.size() + options_.peers.size();
    Wanted wanted;
    wanted.cause = torrent.torrent_capture;
    wanted.target = std::move(torrent);
    wanted.by = who(order_.settings);
    wanted.case_name = order_.case_name;
    wanted.peers = options_.peers;
    wanted.metadata_only = options_.metadata_only;
    wanted.timeout = order_.timeout;
    IMPOUND_TRY(begun, acquisitions_.begin(std::move(wanted)));
    if (begun.held) {
      terminal_.say("held already  " + text(hashes) + " (entry " + begun.held->text() + ")");
      report_.held(hashes, *begun.held);
      next_.push_back("impound show " + short_hash(hashes) + vault_flag());
    } else if (begun.erased) {
      tell(Error{Code::refused, "bytes of this torrent were erased by order, so it is no longer held", text(hashes),
                 "impound show " + begun.erased->text() + vault_flag() + " says on whose"});
      return ExitCode::failed;
    } else if (begun.metadata_there) {
      terminal_.say("the metadata is held already; an acquisition of the payload is still open: " + text(hashes));
      next_.push_back("impound show " + short_hash(hashes) + vault_flag());
    } else if (begun.taken_up) {
      terminal_.say("going on with an acquisition of an earlier run: " + text(hashes));
      report_.going_on(hashes);
    } else if (sources == 0 && (!order_.settings.dht || order_.routes.default_route().proxy)) {
      terminal_.say("neither tracker nor peer is named, and the DHT is not asked: give a peer with --peer");
    }
    return ExitCode::done;
  }

  ExitCode tell_outcomes() {
    ExitCode worst = ExitCode::done;
    for (AcquisitionOutcome const& outcome : acquisitions_.take_outcomes()) {
      terminal_.clear();
      anchoring_.want(true);
      ended_ = true;
      report_.outcome(outcome);
      bool const good = outcome.state == "complete" || outcome.state == "metadata_only";
      if (!good && !outcome.goes_on_as) {
        worst = ExitCode::failed;
        tell(Error{Code::unreachable, outcome.state + ": " + reason_text(outcome.reason), short_hash(outcome.hashes),
                   hint_for(outcome)});
      }
      if (outcome.files_sealed > 0 || good)
        next_.push_back("impound show " + short_hash(outcome.hashes) + vault_flag());
      if (outcome.files_sealed > 0)
        next_.push_back("impound checkout " + short_hash(outcome.hashes) + " DIR" + vault_flag());
    }
    if (acquisitions_.idle())
      for (std::string const& command : std::exchange(next_, {})) report_.next(command);
    return worst;
  }

  /// A result that was written is worth a timestamp; nobody is kept waiting long for it.
  void tell_timestamp() {
    if (!anchoring_.configured() || !ended_) return;
    std::string const said = text(anchoring_.wait(timestamp_wait, interrupt_.descriptor()));
    terminal_.clear();
    report_.timestamp(said);
  }

  std::string hint_for(AcquisitionOutcome const& outcome) const {
    if (outcome.reason == "no_peers" || outcome.reason == "no_metadata")
      return "Name a peer with --peer HOST:PORT, or try again later";
    if (outcome.reason == "disk_full") return "Make room on the vault's disk and run the same command again";
    if (outcome.reason == "refused_limits") return "Raise the limit in the settings if this torrent is wanted";
    if (outcome.detail.starts_with(worker_does_not_start))
      return "The torrent is not at fault: make the sandbox possible as said above, then run the same command again";
    return "Run the same command again to try once more";
  }

  std::string vault_flag() const { return order_.settings.vault.empty() ? "" : " --vault " + order_.settings.vault; }

  FetchOptions const& options_;
  Order const& order_;
  Session& session_;
  Interrupt& interrupt_;
  Terminal& terminal_;
  FetchReport report_;
  RoutedClients clients_;
  Captures captures_;
  Acquisitions acquisitions_;
  std::vector<std::string> next_;
  Anchoring anchoring_;
  bool capture_cut_ = false;  // by a signal
  bool ended_ = false;        // at least one acquisition
};

Result<ExitCode> fetch(FetchOptions const& options, Invocation& invocation) {
  IMPOUND_TRY(order, judge(options, invocation.common));
  auto session =
      Session::open(order.settings, "fetch", invocation.clock, invocation.randomness, options.accept_rollback);
  if (!session) return with_init_hint(std::move(session).error(), order.settings);
  Terminal terminal{invocation.common.quiet};
  for (std::string const& remark : session.value()->remarks()) terminal.say(remark);
  // Its thread for timestamps has ended before the vault is closed: nothing is written behind the last signature.
  auto const code = Fetch{options, order, *session.value(), invocation, terminal}.run();
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
  command.positionals("TARGET", options->targets, "magnet, info-hash, .torrent file or its URL",
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
  command.flag("--yes", options->yes, "asks nothing (this version never asks)");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
