import Glibc

@testable import ServerTests

/// One run: a server that is ended again and again on the same files, clients that live through it, and what they saw.
final class Recording {
    private let plan: Plan
    private let directory = ScratchDirectory()
    private let stage: Stage
    private let callers: [Caller]
    private let secret: String
    private var history = History()
    private var storage: Database
    private var server: RunningServer?
    /// When the next era's backup was begun, if there is one.
    private var backup: (name: String, kind: String, begun: Int)?
    private var count = 0

    /// - Parameter kind: the storage to begin with, `sqlite` or `lmdb`.
    static func history(of plan: Plan, on kind: String) throws -> History {
        try Recording(plan, kind).run()
    }

    private init(_ plan: Plan, _ kind: String) {
        self.plan = plan
        secret = "a-secret-of-32-bytes-or-more-of-run-\(kind)-\(plan.seed)"
        stage = Stage(writers: plan.writers.count)
        callers = plan.users.map { [secret] in Caller($0, secret: secret) }
        storage = Database(kind: kind, name: "db0")
        history.users = plan.users
    }

    private func run() throws -> History {
        let stage = stage
        let caller = callers
        try start(life: 0)
        let writers = plan.writers.enumerated().map { number, writer in
            Background { () throws -> (requests: [Request], reads: [Read], sessions: [Session]) in
                guard !writer.usesSocket else {
                    var client = SocketWriter(writer, number: number, user: caller[writer.user], stage: stage)
                    try client.run()
                    return (client.requests, [], client.sessions)
                }
                var client = RestWriter(writer, number: number, user: caller[writer.user], stage: stage)
                try client.run()
                return (client.requests, client.reads, [])
            }
        }
        let followers = plan.subscribers.enumerated().map { number, subscriber in
            Background { () throws -> [Session] in
                var client = Follower(subscriber, client: number, user: caller[subscriber.user], stage: stage)
                try client.run()
                return client.sessions
            }
        }
        do {
            try conduct()
            for writer in writers {
                let client = try writer.wait()
                history.requests += client.requests
                history.reads += client.reads
                history.sessions += client.sessions
            }
            stage.end(try finals())
        } catch {
            stage.end([])
            for writer in writers { _ = try? writer.wait() }
            for follower in followers { _ = try? follower.wait() }
            throw error
        }
        for follower in followers { history.sessions += try follower.wait() }
        history.endedAt = Moment.now().milliseconds
        return history
    }

    // MARK: Lives

    private func conduct() throws {
        for (number, life) in plan.lives.enumerated() {
            if number > 0 { try start(life: number) }
            if number == plan.lives.count - 1 {
                try stage.waitForWriters()
                return
            }
            if let operations = life.backupAfter, operations <= life.operations {
                try stage.waitForOperations(operations)
                if life.then == .restore { try backUp() }
            }
            try stage.waitForOperations(life.operations)
            stage.close()
            if life.isKilled {
                server?.kill()
            } else if let ending = server?.terminate(), ending != Program.Ending(code: 0) {
                throw CommandFailed(text: "SIGTERM ended it with \(ending): \(server?.errors ?? "")")
            }
            server = nil
            try intermission(life.then)
        }
    }

    private func start(life: Int) throws {
        let (server, hellos) = try serve([:])
        self.server = server
        if life == 0 {
            let nothing = plan.users.map { _ in 0 }
            history.eras.append(Era(epoch: hellos.epoch, base: nothing, agedThrough: nothing))
            try layBedding()
        }
        if storage.isAged {
            history.eras[history.eras.count - 1].agedThrough = hellos.sequences
            storage.isAged = false
        }
        backup = nil
        stage.open(Stage.Place(life: life, era: history.eras.count - 1, epoch: hellos.epoch, port: server.port))
    }

    private func serve(
        _ settings: [String: String]
    ) throws -> (RunningServer, hellos: (epoch: String, sequences: [Int])) {
        let place = ["DB_PATH": storage.url, "JWT_SECRET": secret]
        let server = try RunningServer(plan.settings.merging(place) { $1 }.merging(settings) { $1 }, in: directory)
        let hellos = try callers.map { caller in
            try SocketFeed(port: server.port, query: "", token: caller.token).next(within: patience)
        }
        return (server, (hellos[0]["epoch"].text ?? "", hellos.map { $0["seq"].int ?? -1 }))
    }

    /// Many records, so that catching up takes more than one page.
    private func layBedding() throws {
        guard plan.bedding > 0, let server else { return }
        let part = Plan.Draft.Part(
            address: Address(collection: "", key: ""), isDelete: false, number: 1, policy: .lastWriteWins,
            millisecondsAhead: nil, expiry: .none, padding: 0)
        var draft = Plan.Draft(
            form: .bulk, parts: [], isAtomic: true, precondition: .none, hasIdempotencyKey: false, hangsUp: false,
            isRepeated: false)
        draft.parts = (0..<plan.bedding).map { number in
            var part = part
            part.address = Address(collection: number % 3 == 0 ? "elsewhere" : "a", key: "x\(number)")
            return part
        }
        let letter = Letter(draft, from: callers[0], index: 0, name: "bedding", number: 0, known: [:])
        var request = letter.request
        var attempt = Attempt(era: 0, sent: stage.tick(), answered: 0, outcome: .unknown)
        let answer = try server.call(letter.method, letter.target, headers: letter.headers, body: letter.body)
        attempt.outcome = try Attempt.Outcome(answer, to: request)
        attempt.answered = stage.tick()
        request.attempts = [attempt]
        history.requests.append(request)
    }

    // MARK: Between lives

    private func intermission(_ interlude: Plan.Life.Interlude) throws {
        switch interlude {
        case .nothing: break
        case .migrate: try migrate(to: storage.kind == "sqlite" ? "lmdb" : "sqlite")
        case .age:
            if storage.kind != "sqlite" { try migrate(to: "sqlite") }
            try storage.age(in: directory.path)
        case .restore:
            if backup == nil { try backUp() }
            guard let backup else { return }
            let next = nextDatabase(backup.kind)
            try command("restore", backup.name, "--to", next.url)
            storage = next
            try beginEra()
        }
    }

    /// Learns where a restored database begins, from a server that does not sweep yet.
    private func beginEra() throws {
        let (server, hellos) = try serve(["CLEANUP_INTERVAL_MS": "86400000"])
        var era = Era(epoch: hellos.epoch, base: hellos.sequences)
        era.backedUp = backup?.begun ?? 0
        era.agedThrough = history.eras.last?.agedThrough ?? []
        history.eras.append(era)
        backup = nil
        server.kill()
    }

    private func nextDatabase(_ kind: String) -> Database {
        count += 1
        return Database(kind: kind, name: "db\(count)")
    }

    private func migrate(to kind: String) throws {
        let next = nextDatabase(kind)
        try command("migrate", "--from", storage.url, "--to", next.url)
        storage = next
    }

    private func backUp() throws {
        count += 1
        backup = ("backup\(count)", storage.kind, stage.tick())
        try command("backup", "backup\(count)", "--db", storage.url)
    }

    struct CommandFailed: Error {
        var text: String
    }

    private func command(_ arguments: String...) throws {
        let run = try CommandRun(arguments, in: directory.path)
        guard run.code == 0 else { throw CommandFailed(text: "\(arguments): \(run)") }
    }

    // MARK: The end

    /// What is there once everything that can run out has.
    private func finals() throws -> [Final] {
        guard let server else { return [] }
        try waitForExpiries(server)
        return try callers.enumerated().map { try Final(of: $1, index: $0, at: server.port) }
    }

    /// A record with a time of its own is the last to run out: what is swept in order is swept when its tombstone is
    /// there.
    private func waitForExpiries(_ server: RunningServer) throws {
        let expiries = plan.writers.flatMap(\.operations).contains { operation in
            guard case .write(let draft) = operation else { return false }
            return draft.parts.contains { part in
                if case .seconds(1) = part.expiry { true } else { false }
            }
        }
        let longest = expiries ? 1000 : 400
        let part = Plan.Draft.Part(
            address: Address(collection: "elsewhere", key: "canary"), isDelete: false, number: 1,
            policy: .lastWriteWins, millisecondsAhead: nil, expiry: .milliseconds(longest + 50), padding: 0)
        let draft = Plan.Draft(
            form: .post, parts: [part], isAtomic: true, precondition: .none, hasIdempotencyKey: false, hangsUp: false,
            isRepeated: false)
        let letter = Letter(draft, from: callers[0], index: 0, name: "canary", number: 1, known: [:])
        var request = letter.request
        var attempt = Attempt(era: history.eras.count - 1, sent: stage.tick(), answered: 0, outcome: .unknown)
        let answer = try server.call(letter.method, letter.target, headers: letter.headers, body: letter.body)
        attempt.outcome = try Attempt.Outcome(answer, to: request)
        attempt.answered = stage.tick()
        request.attempts = [attempt]
        history.requests.append(request)
        guard case .answered(let results, _, _) = attempt.outcome, case .applied(let state)? = results.first else {
            throw SocketFailure.malformed(answer.text)
        }
        let isSwept = try eventually {
            let hello = try SocketFeed(port: server.port, query: "", token: callers[0].token).next(within: patience)
            guard hello["seq"].int ?? 0 > state.sequence else { return false }
            return try Final.changes(of: callers[0], at: server.port).contains { change in
                change.address == part.address && change.value == nil
            }
        }
        guard isSwept else { throw SocketFailure.timedOut(after: "the sweeper") }
    }
}

extension Final {
    init(of user: Caller, index: Int, at port: Int) throws {
        let hello = try SocketFeed(port: port, query: "", token: user.token).next(within: patience)
        guard let last = hello["seq"].int else { throw SocketFailure.malformed(hello.raw) }
        let changes = try Self.changes(of: user, at: port)
        let http = try HTTPConnection(port: port)
        let answer = try http.call("GET", "/v1/collections/\(encoded(user.id))", headers: [user.authorization])
        var counts: [String: Int] = [:]
        var live: [State] = []
        for entry in try answer.json()["data"].items {
            guard let name = entry["collection"].text else { throw SocketFailure.malformed(entry.raw) }
            counts[name] = entry["count"].int
            live += try Self.pages(user.path(name), of: user, over: http)
        }
        self.init(user: index, last: last, changes: changes, live: live, counts: counts)
    }

    static func changes(of user: Caller, at port: Int) throws -> [State] {
        try pages(user.path(), of: user, over: try HTTPConnection(port: port))
    }

    private static func pages(_ path: String, of user: Caller, over http: HTTPConnection) throws -> [State] {
        var states: [State] = []
        var cursor = ""
        for _ in 0..<1000 {
            let answer = try http.call("GET", path + "?limit=300" + cursor, headers: [user.authorization])
            let page = try answer.json()
            guard answer.status == 200, let hasMore = page["has_more"].bool else {
                throw SocketFailure.malformed(answer.text)
            }
            states += try page["data"].items.map { try State($0) }
            guard hasMore else { return states }
            cursor = "&cursor=\(page["next_cursor"].text ?? "")"
        }
        throw SocketFailure.timedOut(after: "1000 pages")
    }
}
