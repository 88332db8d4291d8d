import ApusCore
import ApusTesting
import Synchronization
import Testing

@testable import ApusEngine

@Suite struct ExportsTests {
    private func export(
        _ query: ExportQuery, _ stage: EngineStage, into basket: Basket = Basket()
    ) async -> (rows: [String], outcome: String) {
        stage.engine.export(query, origin: .admin, to: basket)
        await basket.end.wait(for: 1)
        return (basket.rows, basket.end.entries.first ?? "")
    }

    @Test func `records come by owner and then by change, without tombstones and what has expired`() async throws {
        let stage = try EngineStage()
        for owner in ["u2", "u1"] {
            for key in ["b", "a", "c"] { await stage.write(.set(key), owner: owner) }
            await stage.write(.delete("a"), owner: owner)
            await stage.write(.set("d", expiry: .afterSeconds(5)), owner: owner)
        }
        let all = ["u1/c/b 1", "u1/c/c 3", "u1/c/d 5", "u2/c/b 1", "u2/c/c 3", "u2/c/d 5"]
        #expect(await export(.records(.init()), stage) == (all, "whole"))
        stage.clock.advance(bySeconds: 5)
        let lasting = all.filter { !$0.contains("/d") }
        #expect(await export(.records(.init()), stage).rows == lasting)
        #expect(
            await export(.records(.init(owner: OwnerID(stored: "u2"), includesTombstones: true)), stage).rows
                == ["u2/c/b 1", "u2/c/c 3", "u2/c/a 4 gone"])
        #expect(await export(.records(.init(collection: CollectionName(stored: "c"))), stage).rows == lasting)
        #expect(await export(.records(.init(collection: CollectionName(stored: "d"))), stage).rows == [])
        #expect(await export(.records(.init(owner: OwnerID(stored: "nobody"))), stage) == ([], "whole"))
    }

    @Test func `users come by id, and the audit log from its beginning, narrowed as asked`() async throws {
        let stage = try EngineStage()
        for user in ["b", "a"] { _ = try await stage.issue(user) }
        #expect(await export(.users, stage).rows == ["a", "b"])
        stage.clock.advance(bySeconds: 60)
        await stage.write(.set("k"))
        let issued = ["token.issue b", "token.issue a", "export users.json"]
        let rows = await export(.audit(.init()), stage).rows
        #expect(rows == issued + ["data.write u1/c/k", "export audit.csv"])
        let minute = start.advanced(bySeconds: 60)
        #expect(await export(.audit(.init(until: minute)), stage).rows == issued)
        #expect(await export(.audit(.init(since: minute, actor: "user:u1")), stage).rows == ["data.write u1/c/k"])
        #expect(await export(.audit(.init(action: .named("token.issue"))), stage).rows == Array(issued.prefix(2)))
    }

    @Test func `an export is in the audit log before its first row, with what narrows it`() async throws {
        let stage = try EngineStage()
        let basket = Basket()
        basket.hold()
        let query = ExportQuery.records(
            .init(owner: OwnerID(stored: "u1"), collection: CollectionName(stored: "c"), includesTombstones: true))
        stage.engine.export(query, origin: .admin, to: basket)
        await basket.taking.wait(for: 1)
        let entry = try #require(try stage.reader().auditEntries(limit: 1).first)
        #expect(entry.action == "export" && entry.target == "data.json" && entry.origin == .admin)
        #expect(entry.detail == "user_id=u1 collection=c deleted=true")
        basket.release()
        await basket.end.wait(for: 1)
    }

    @Test func `what cannot be audited is not exported, and takes no place`() async throws {
        let stage = try EngineStage { $0.limits.exportsAtOnceMax = 1 }
        await stage.write(.set("k"))
        stage.backend.failNextCommit(with: .storageFull(cause: "full"))
        #expect(await export(.users, stage) == ([], "storage-unavailable"))
        #expect(await export(.records(.init()), stage).rows == ["u1/c/k 1"])
    }

    @Test func `there are two at once, and a place is free when one has ended`() async throws {
        let stage = try EngineStage()
        let baskets = [Basket(), Basket()]
        for basket in baskets {
            basket.hold()
            stage.engine.export(.users, origin: .admin, to: basket)
            await basket.taking.wait(for: 1)
        }
        #expect(await export(.users, stage) == ([], "overloaded"))
        let refused = try stage.reader().auditEntries(limit: 9)
        #expect(refused.count == 2, "what was refused is no export")
        baskets[0].release()
        await baskets[0].end.wait(for: 1)
        for _ in 0..<20 { #expect(await export(.users, stage) == ([], "whole")) }
        baskets[1].release()
        await baskets[1].end.wait(for: 1)
    }

    @Test func `a client that wants no more gets no more, and a place is free`() async throws {
        let stage = try EngineStage {
            $0.limits.exportsAtOnceMax = 1
            $0.limits.exportPageBytesMax = 1
        }
        for key in 0..<9 { await stage.write(.set("\(key)")) }
        #expect(await export(.records(.init()), stage, into: Basket(pagesMax: 3)).rows.count == 3)
        #expect(await export(.records(.init()), stage).rows.count == 9)
    }

    @Test func `an export that takes too long ends before its end`() async throws {
        let stage = try EngineStage { $0.limits.exportSecondsMax = 0 }
        await stage.write(.set("k"))
        #expect(await export(.records(.init()), stage) == ([], "overloaded"))
    }

    @Test func `an engine that stops ends its exports, and begins none`() async throws {
        let stage = try EngineStage { $0.limits.exportPageBytesMax = 1 }
        for key in 0..<9 { await stage.write(.set("\(key)")) }
        let basket = Basket()
        basket.hold()
        stage.engine.export(.records(.init()), origin: .admin, to: basket)
        await basket.taking.wait(for: 1)
        let stopped = Log<Int>()
        let stop = WorkerThread { [engine = stage.engine] in
            engine.stop()
            stopped.append(1)
        }
        while await export(.users, stage).outcome != "overloaded" { await Task.yield() }
        #expect(stopped.entries.isEmpty)
        basket.release()
        await stopped.wait(for: 1)
        stop.join()
        #expect(basket.end.entries == ["overloaded"] && basket.rows.count < 9)
    }

    @Test func `what is written meanwhile is not in it`() async throws {
        let stage = try EngineStage { $0.limits.exportPageBytesMax = 1 }
        let items = (0..<20).map { WriteItem.set("\($0)") }
        _ = await stage.write(.bulk(items))
        let basket = Basket()
        basket.hold()
        stage.engine.export(.records(.init()), origin: .admin, to: basket)
        await basket.taking.wait(for: 1)
        _ = await stage.write(.bulk(items.reversed()))
        await stage.write(.set("new"))
        basket.release()
        await basket.end.wait(for: 1)
        #expect(basket.rows == (0..<20).map { "u1/c/\($0) \($0 + 1)" })
    }
}

/// Keeps what it is given; can be held, so that the export waits.
private final class Basket: ExportSink {
    private let kept: Mutex<[String]> = Mutex([])
    private let gate = Gate()
    private let isHeld = Mutex(false)
    private let pagesMax: Int
    let taking = Log<Int>()
    let end = Log<String>()

    init(pagesMax: Int = .max) {
        self.pagesMax = pagesMax
    }

    var rows: [String] { kept.withLock { $0 } }

    func hold() { isHeld.withLock { $0 = true } }

    func release() {
        isHeld.withLock { $0 = false }
        gate.open()
    }

    func take(_ rows: ExportRows) -> Bool {
        taking.append(1)
        if isHeld.withLock({ $0 }) { gate.pass() }
        let texts =
            switch rows {
            case .users(let users): users.map(\.id.text)
            case .records(let records): records.map(\.line)
            case .audit(let entries): entries.map { "\($0.action) \($0.target)" }
            }
        kept.withLock { $0 += texts }
        return taking.entries.count < pagesMax
    }

    func end(_ outcome: Result<Void, ApusError>) {
        switch outcome {
        case .success: end.append("whole")
        case .failure(let error): end.append(error.code.rawValue)
        }
    }
}

extension Record {
    fileprivate var line: String {
        "\(address.owner)/\(address.collection)/\(address.key) \(sequence.rawValue)" + (isTombstone ? " gone" : "")
    }
}
