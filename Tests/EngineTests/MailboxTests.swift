import Testing

@testable import ApusEngine

@Suite struct MailboxTests {
    @Test func `what is put in first is taken first, up to so many at once`() {
        let mailbox = Mailbox<Int>(countMax: 10, costMax: 10)
        for number in 1...5 { #expect(mailbox.offer(number)) }
        #expect(mailbox.take(upTo: 2) == [1, 2])
        #expect(mailbox.offer(6))
        #expect(mailbox.take(upTo: 100) == [3, 4, 5, 6])
    }

    @Test func `it holds as many as it may and refuses one more, until something is taken`() {
        let mailbox = Mailbox<Int>(countMax: 3, costMax: 100)
        for number in 1...3 { #expect(mailbox.offer(number)) }
        #expect(!mailbox.offer(4))
        #expect(mailbox.take(upTo: 1) == [1])
        #expect(mailbox.offer(5))
        #expect(!mailbox.offer(6))
        #expect(mailbox.take(upTo: 9) == [2, 3, 5])
    }

    @Test func `it holds as much as it may, but one that is greater than all passes alone`() {
        let mailbox = Mailbox<Int>(countMax: 100, costMax: 10)
        #expect(mailbox.offer(1, cost: 4))
        #expect(mailbox.offer(2, cost: 6))
        #expect(!mailbox.offer(3, cost: 1))
        #expect(mailbox.offer(4, cost: 0))
        #expect(mailbox.take(upTo: 9) == [1, 2, 4])
        #expect(mailbox.offer(5, cost: 1000))
        #expect(!mailbox.offer(6, cost: 1))
        #expect(mailbox.take(upTo: 9) == [5])
        #expect(mailbox.offer(7, cost: 10))
        #expect(!mailbox.offer(8, cost: 1))
    }

    @Test func `a taker may bound what it takes by cost, and always gets one`() {
        let mailbox = Mailbox<Int>(countMax: 100, costMax: 1000)
        for number in 1...4 { _ = mailbox.offer(number, cost: 10) }
        #expect(mailbox.take(upTo: 9, costMax: 25) == [1, 2])
        #expect(mailbox.take(upTo: 9, costMax: 1) == [3])
        #expect(mailbox.take(upTo: 9, costMax: 10) == [4])
    }

    @Test func `once closed it takes nothing in, and gives out what waits`() {
        let mailbox = Mailbox<Int>(countMax: 10, costMax: 10)
        #expect(mailbox.offer(1))
        mailbox.close()
        #expect(!mailbox.offer(2))
        #expect(mailbox.take(upTo: 9) == [1])
        #expect(mailbox.take(upTo: 9) == nil)
        #expect(mailbox.take(upTo: 9) == nil)
    }

    @Test func `takers that sleep are woken by the end`() {
        let mailbox = Mailbox<Int>(countMax: 10, costMax: 10)
        let takers = (0..<4).map { _ in
            WorkerThread { while mailbox.take(upTo: 1) != nil {} }
        }
        mailbox.close()
        for taker in takers { taker.join() }
    }

    @Test(arguments: [(1, 1, 1), (4, 3, 1), (4, 3, 7), (2, 4, 1000)])
    func `nothing is lost and nothing is taken twice by many at once`(writers: Int, takers: Int, upTo: Int) {
        let mailbox = Mailbox<Int>(countMax: 64, costMax: .max)
        let taken = Log<[Int]>()
        let readers = (0..<takers).map { _ in
            WorkerThread { while let some = mailbox.take(upTo: upTo) { taken.append(some) } }
        }
        let perWriter = 3000
        let threads = (0..<writers).map { writer in
            WorkerThread {
                for number in 0..<perWriter {
                    while !mailbox.offer(writer * perWriter + number) { WorkerThread {}.join() }
                }
            }
        }
        for thread in threads { thread.join() }
        mailbox.close()
        for reader in readers { reader.join() }
        let all = taken.entries.flatMap(\.self)
        #expect(all.count == writers * perWriter)
        #expect(Set(all).count == all.count)
        if takers == 1 {
            for writer in 0..<writers {
                let own = all.filter { $0 / perWriter == writer }
                #expect(own == own.sorted(), "each writer's own order is kept")
            }
        }
        #expect(taken.entries.allSatisfy { !$0.isEmpty && $0.count <= upTo })
    }
}
