// Orders of commands that found the vault held: carried out by the session that holds it, told to who asked.
//
// A note, an act on a case, a timestamp, the entry of an export or a working copy that the command made itself; and a
// fetch, which becomes a job of this session: who asked hears of its progress and its end, and may go away meanwhile.
// Entries name the person by the kernel's word (uid, login) and their own (--operator).
// What an order gets wrong fails that order. One thread: the session's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/service/control_socket.h"
#include "agent/settings/settings.h"
#include "agent/work/acquisition.h"
#include "agent/work/anchoring.h"
#include "agent/work/capture_group.h"
#include "agent/work/fetch_talk.h"
#include "agent/work/routes.h"
#include "agent/work/session.h"
#include "agent/work/url_targets.h"

namespace impound::agent {

class Orders {
 public:
  /// `interrupted`: asked before and after what takes its time.
  Orders(ControlSocket& socket, Session& session, Settings const& settings, Routes const& routes,
         CaptureGroup& captures, PageReader& reader, Acquisitions& acquisitions, Anchoring& anchoring,
         std::function<bool()> interrupted);
  ~Orders();

  /// Hears what came and does it; tells who waits how far it is. An error is the vault's, not an order's.
  Result<void> work();
  /// Of each outcome of the session's acquisitions: who waits for it hears of it.
  void tell(AcquisitionOutcome const& outcome);
  /// Somebody waits: work() is to be called at least twice a second.
  bool waited_for() const { return !fetches_.empty() || !left_alone_.empty() || !stampings_.empty(); }

 private:
  struct Fetch;
  struct Stamping {
    std::uint64_t connection = 0;
    std::chrono::steady_clock::time_point until;
  };
  struct Asker {
    std::uint64_t connection = 0;
    evidence::By by;
    ControlHello const& hello;
  };

  Result<void> carry_out(Asker const& asker, ControlHello const& order);
  Result<void> carry_out(Asker const& asker, NoteOrder const& order);
  Result<void> carry_out(Asker const& asker, CaseOrder const& order);
  Result<void> carry_out(Asker const& asker, TimestampOrder const& order);
  Result<void> carry_out(Asker const& asker, ExportOrder const& order);
  Result<void> carry_out(Asker const& asker, CopyOrder const& order);
  Result<void> carry_out(Asker const& asker, TargetText const& order);
  Result<void> carry_out(Asker const& asker, TargetPiece const& order);
  Result<void> carry_out(Asker const& asker, FetchOrder const& order);
  Result<EntryId> record(evidence::EntryDraft draft);
  Fetch& fetch_of(Asker const& asker);
  void tell_progress();
  void tell_stampings();
  void end_if_over(Fetch& fetch);
  void end_those_over();
  void forget(std::uint64_t connection);
  void done(std::uint64_t connection, std::string const& out);

  ControlSocket& socket_;
  Session& session_;
  Settings const& settings_;
  Routes const& routes_;
  CaptureGroup& captures_;
  PageReader& reader_;
  Acquisitions& acquisitions_;
  Anchoring& anchoring_;
  std::function<bool()> interrupted_;
  std::map<std::uint64_t, std::unique_ptr<Fetch>> fetches_;  // by connection
  std::vector<std::unique_ptr<Fetch>> left_alone_;           // whose asker went, and whose URLs have not answered
  std::vector<Stamping> stampings_;
  std::chrono::steady_clock::time_point next_progress_{};
};

}  // namespace impound::agent
