import ApusAuth
import ApusCore
import Dispatch
import Synchronization
import Testing

@Suite struct LoginTests {
    private func login(_ name: String, _ password: String) -> Login {
        Login(name: name, password: Secret(password))
    }

    private func provider(
        _ password: String = "correct horse", clock: any WallClock = StillClock(seconds: Forge.start), waiting: Int = 16
    ) -> AdminLogin {
        AdminLogin(name: "admin", password: password, clock: clock, waitingMax: waiting)
    }

    /// What the provider answers; the error's code for none.
    private func answer(
        _ provider: AdminLogin, _ login: Login, admit: @escaping @Sendable () throws(ApusError) -> Void = {}
    ) async -> String {
        await withCheckedContinuation { continuation in
            provider.verify(login, admit: admit) { result in
                switch result {
                case .success(let isRight): continuation.resume(returning: "\(isRight)")
                case .failure(let error): continuation.resume(returning: error.code.rawValue)
                }
            }
        }
    }

    @Test func `the right name with the right password is let in, and nothing else`() async {
        let provider = provider()
        #expect(await answer(provider, login("admin", "correct horse")) == "true")
        for (name, password) in [
            ("admin", "correct hors"), ("admin", "correct horse "), ("admin", "Correct horse"), ("admin", ""),
            ("", "correct horse"), ("", ""), ("Admin", "correct horse"), ("admin:", "correct horse"),
            ("admin:correct", " horse"), ("root", "correct horse"), ("admin", "\0"),
        ] { #expect(await answer(provider, login(name, password)) == "false", "\(name) \(password)") }
    }

    @Test func `passwords are compared byte by byte, however long they are`() async {
        let long = String(repeating: "\u{e9}😀", count: 2000)
        let provider = provider(long)
        #expect(await answer(provider, login("admin", long)) == "true")
        #expect(await answer(provider, login("admin", long + "x")) == "false")
        #expect(await answer(provider, login("admin", String(repeating: "e\u{301}😀", count: 2000))) == "false")
    }

    @Test func `a login is remembered for five minutes from its last use, a wrong one never`() async {
        let clock = StillClock(seconds: Forge.start)
        let (provider, right) = (provider(clock: clock), login("admin", "correct horse"))
        #expect(!provider.remembers(right), "nobody has seen it yet")
        _ = await answer(provider, login("admin", "wrong"))
        _ = await answer(provider, right)
        #expect(provider.remembers(right))
        for wrong in [login("admin", "wrong"), login("admin:correct", " horse"), login("", "correct horse")] {
            #expect(!provider.remembers(wrong))
        }
        for seconds in [299, 598, 897] as [Int64] {
            clock.move(toMilliseconds: (Forge.start + seconds) * 1000)
            #expect(provider.remembers(right))
        }
        clock.move(toMilliseconds: (Forge.start + 897 + 300) * 1000)
        #expect(!provider.remembers(right))
        #expect(await answer(provider, right) == "true")
        #expect(provider.remembers(right))
    }

    @Test func `a login that is not admitted is not looked at, but one that is remembered is let in all the same`()
        async
    {
        let provider = provider()
        let right = login("admin", "correct horse")
        let refuse: @Sendable () throws(ApusError) -> Void = { () throws(ApusError) in
            throw ApusError(.rateLimited, "wait")
        }
        #expect(await answer(provider, right, admit: refuse) == "rate-limited")
        #expect(!provider.remembers(right))
        #expect(await answer(provider, right) == "true")
        #expect(await answer(provider, right, admit: refuse) == "true")
    }

    @Test func `beyond so many that wait, logins are refused at once, and those that wait are answered`() async {
        let provider = provider(waiting: 3)
        let looking = AsyncStream<Void>.makeStream()
        let gate = DispatchSemaphore(value: 0)
        let answers = Mutex<[String]>([])
        let done = AsyncStream<Void>.makeStream()
        func ask(_ password: String) {
            provider.verify(login("admin", password)) {
                looking.continuation.yield()
                gate.wait()
            } then: { result in
                answers.withLock { answers in
                    switch result {
                    case .success(let isRight): answers.append("\(isRight)")
                    case .failure(let error): answers.append(error.code.rawValue)
                    }
                }
                done.continuation.yield()
            }
        }
        ask("wrong")
        var started = looking.stream.makeAsyncIterator()
        await started.next()
        for password in ["wrong", "wrong", "correct horse", "correct horse"] { ask(password) }
        #expect(answers.withLock { $0 } == ["overloaded"])
        for _ in 0..<4 { gate.signal() }
        var ended = done.stream.makeAsyncIterator()
        for _ in 0..<5 { await ended.next() }
        #expect(answers.withLock { $0 } == ["overloaded", "false", "false", "false", "true"])
        #expect(await answer(provider, login("admin", "correct horse")) == "true", "a new thread takes the next one")
    }

    @Test func `a password shows in no description`() {
        #expect(!"\(login("admin", "correct horse"))".contains("horse"))
        var dumped = ""
        dump(login("admin", "correct horse"), to: &dumped)
        dump(provider(), to: &dumped)
        #expect(!dumped.contains("horse"))
    }

    @Test func `a key of fewer than 32 characters may be guessed`() {
        #expect(AdminCredentials.isGuessable(key: "secret"))
        #expect(AdminCredentials.isGuessable(key: String(repeating: "x", count: 31)))
        #expect(!AdminCredentials.isGuessable(key: String(repeating: "x", count: 32)))
    }
}
