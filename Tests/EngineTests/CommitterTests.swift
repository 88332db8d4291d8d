import ApusCore
import ApusMemory
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct CommitterTests {
    @Test func `a change is seen before its writer is answered`() async throws {
        let stage = try EngineStage()
        for index in 1...20 {
            let seen: Int = await withCheckedContinuation { continuation in
                stage.engine.write(.single(.set("k\(index)"))) { [witness = stage.witness] _ in
                    continuation.resume(returning: witness.changes().count)
                }
            }
            #expect(seen == index)
        }
    }

    @Test func `writers at the same time get numbers without holes, and everybody sees them in order`() async throws {
        let stage = try EngineStage()
        let engine = stage.engine
        let numbers = await withTaskGroup(of: [Int64].self) { group in
            for writer in 0..<8 {
                group.addTask {
                    var numbers: [Int64] = []
                    for index in 0..<50 {
                        let answer: Result<WriteAnswer, ApusError> = await withCheckedContinuation { continuation in
                            engine.write(.single(.set("\(writer)-\(index % 7)"), owner: writer < 6 ? "u1" : "u2")) {
                                continuation.resume(returning: $0)
                            }
                        }
                        numbers += answer.records.map(\.sequence.rawValue)
                    }
                    #expect(numbers == numbers.sorted(), "a writer's own writes keep their order")
                    return writer < 6 ? numbers : []
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(numbers.sorted() == Array(1...300))
        #expect(stage.witness.changes().map(\.record.sequence.rawValue) == Array(1...300))
        #expect(stage.witness.changes(of: "u2").map(\.record.sequence.rawValue) == Array(1...100))
        #expect(try stage.reader().ownerState(OwnerID(stored: "u1")).lastSequence.rawValue == 300)
    }

    @Test func `what waits together is committed once, and answered in the order asked`() async throws {
        let stage = try EngineStage()
        let gate = await stage.holdCommitter()
        let log = Log<String>()
        let before = stage.backend.commitCount
        for key in ["a", "b", "a"] { stage.engine.write(.single(.set(key))) { log.append($0.stories.joined()) } }
        stage.engine.rotateTokens(of: OwnerID(stored: "nobody"), ttlSeconds: nil, origin: .admin) { result in
            if case .failure(let error) = result { log.append("rotate \(error.code.rawValue)") }
        }
        stage.engine.write(.single(.delete("a"))) { log.append($0.stories.joined()) }
        gate.open()
        await log.wait(for: 5)
        #expect(
            log.entries == [
                "applied a=1 #1", "applied b=1 #2", "applied a=1 #3", "rotate not-found", "applied a deleted #4",
            ])
        #expect(stage.backend.commitCount == before + 3)
        #expect(
            stage.witness.commits.map { $0.map(\.record.story) }.suffix(2) == [
                ["a=1 #1", "b=1 #2", "a=1 #3"], ["a deleted #4"],
            ])
    }

    @Test func `one refused request does not fail the others it is committed with`() async throws {
        let stage = try EngineStage()
        let gate = await stage.holdCommitter()
        let log = Log<[String]>()
        stage.engine.write(.single(.set("a"))) { log.append($0.stories) }
        stage.engine.write(.bulk([.set("b"), .set("a", at: start.advanced(bySeconds: 99))])) { log.append($0.stories) }
        stage.engine.write(.single(.set("c"))) { log.append($0.stories) }
        gate.open()
        await log.wait(for: 3)
        #expect(
            log.entries == [["applied a=1 #1"], ["refused clock-skew", "/items/1/updated_at"], ["applied c=1 #2"]])
        #expect(stage.witness.stories() == ["a=1 #1", "c=1 #2"])
    }

    @Test func `when the disk fails nobody is told of success, then or later, and reads go on`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("kept"))
        let gate = await stage.holdCommitter()
        stage.backend.failNextCommit(with: .storageUnavailable(cause: "EIO"))
        let log = Log<[String]>()
        for key in ["a", "b", "kept"] { stage.engine.write(.single(.set(key, "2"))) { log.append($0.stories) } }
        gate.open()
        await log.wait(for: 3)
        #expect(log.entries == Array(repeating: ["refused storage-unavailable"], count: 3))
        #expect(stage.witness.stories() == ["kept=1 #1"])

        let commits = stage.backend.commitCount
        #expect(await stage.write(.set("later")).stories == ["refused storage-unavailable"])
        await #expect(throws: ApusError.self) { try await stage.issue() }
        #expect(stage.backend.commitCount == commits, "the disk is not even asked again")
        #expect(try await stage.record("kept").value?.text == "1")
        await #expect(throws: ApusError.self) { try await stage.record("a") }
        let health = try await stage.answer { stage.engine.health(then: $0) }.get()
        #expect(health.fault?.code == .storageUnavailable)
        #expect(stage.witness.stories() == ["kept=1 #1"])
    }

    @Test func `when there is no space writes fail together, and come back by themselves`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("a"))
        let gate = await stage.holdCommitter()
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        let log = Log<[String]>()
        for key in ["a", "b"] { stage.engine.write(.single(.set(key, "2"))) { log.append($0.stories) } }
        gate.open()
        await log.wait(for: 2)
        #expect(log.entries == Array(repeating: ["refused storage-full"], count: 2))
        #expect(try await stage.answer { stage.engine.health(then: $0) }.get().fault == nil)
        #expect(await stage.write(.set("a", "3")).stories == ["applied a=3 #2"], "the number was not used up")
        #expect(stage.witness.stories() == ["a=1 #1", "a=3 #2"])
    }

    @Test func `a failed revocation revokes nothing`() async throws {
        let stage = try EngineStage()
        let token = try await stage.issue()
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        let answer = await stage.answer { stage.engine.revokeTokens(of: token.user.id, origin: .admin, then: $0) }
        #expect(throws: ApusError.self) { try answer.get() }
        #expect(stage.witness.revocations.isEmpty)
        #expect(throws: Never.self) { try stage.engine.checkStanding(of: Principal(token.grant)) }
    }

    @Test func `a failed check-up of the disk stops writes too`() async throws {
        let stage = try EngineStage()
        stage.backend.failNextMaintenance(with: .storageUnavailable(cause: "EIO"))
        #expect(await stage.write(.set("a")).stories == ["applied a=1 #1"])
        // The check-up follows the answer; whatever is taken after it is refused.
        var last = await stage.write(.set("b"))
        for _ in 0..<100 where last.error == nil { last = await stage.write(.set("b")) }
        #expect(last.error?.code == .storageUnavailable)
    }

    @Test func `a full disk at a check-up stops nothing`() async throws {
        let stage = try EngineStage()
        stage.backend.failNextMaintenance(with: .storageFull(cause: "ENOSPC"))
        for index in 1...5 { #expect(await stage.write(.set("a")).stories == ["applied a=1 #\(index)"]) }
    }

    // MARK: Bounds

    @Test func `when the queue is full a write is refused at once, one fewer is taken`() async throws {
        let stage = try EngineStage { $0.limits.commandsWaitingMax = 4 }
        let gate = await stage.holdCommitter()
        let log = Log<[String]>()
        for _ in 1...4 { stage.engine.write(.single(.set("a"))) { log.append($0.stories) } }
        #expect(log.entries.isEmpty)
        stage.engine.write(.single(.set("a"))) { log.append($0.stories) }
        #expect(log.entries == [["refused overloaded"]])
        stage.engine.revokeToken("t", expiresAt: nil, origin: .admin) { result in
            if case .failure(let error) = result { log.append([error.code.rawValue]) }
        }
        #expect(log.entries.last == ["overloaded"])
        gate.open()
        await log.wait(for: 6)
        #expect(log.entries.last == ["applied a=1 #4"])
    }

    @Test func `values that wait are bounded by their bytes`() async throws {
        let stage = try EngineStage { $0.limits.commandBytesWaitingMax = 2 * (256 + 10) }
        let gate = await stage.holdCommitter()
        let log = Log<[String]>()
        for value in ["\"12345678\"", "\"12345678\"", "1"] {
            stage.engine.write(.single(.set("a", value))) { log.append($0.stories) }
        }
        #expect(log.entries == [["refused overloaded"]])
        gate.open()
        await log.wait(for: 3)
    }

    // MARK: The end

    @Test func `what was accepted is finished before the engine stops, what comes later is refused`() async throws {
        let stage = try EngineStage()
        let gate = await stage.holdCommitter()
        let log = Log<[String]>()
        for index in 0..<100 { stage.engine.write(.single(.set("k\(index)"))) { log.append($0.stories) } }
        let engine = stage.engine
        let thread = WorkerThread { engine.stop() }
        gate.open()
        thread.join()
        #expect(log.entries.count == 100)
        #expect(log.entries.last == ["applied k99=1 #100"])
        #expect(await stage.write(.set("late")).stories == ["refused overloaded"])
        await #expect(throws: ApusError.self) { try await stage.record("k0") }

        let next = try EngineStage(backend: stage.backend)
        #expect(try await next.record("k0").sequence.rawValue == 1)
        #expect(await next.write(.set("k0")).stories == ["applied k0=1 #101"], "numbers go on after a restart")
    }
}

extension Principal {
    /// Who a token issued here speaks for.
    init(_ grant: TokenGrant) {
        self.init(
            user: grant.user, tokenID: grant.id, issuedAt: grant.issuedAt, expiresAt: grant.expiresAt,
            generation: grant.generation)
    }
}
