import Testing

@Suite(.serialized) struct MetricsTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    private func metrics() throws -> Exposition {
        let answer = try server.admin("GET", "/metrics")
        #expect(answer.status == 200)
        #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        return try Exposition(answer.text)
    }

    @Test func `metrics are for the administrator, unless they are said to be public`() throws {
        try expectProblem(try server.call("GET", "/metrics"), 401, "unauthenticated")
        try expectProblem(try TestUser(server).call("GET", "/metrics"), 401, "unauthenticated")
        #expect(try server.admin("GET", "/metrics").status == 200)
        let open = try RunningServer(["METRICS_PUBLIC": "true"])
        let answer = try open.call("GET", "/metrics")
        #expect(answer.status == 200)
        _ = try Exposition(answer.text)
    }

    @Test func `writes, reads and requests are counted`() throws {
        let user = TestUser(server)
        try user.mustSet("warm", "1")
        _ = try user.get("warm")
        let before = try metrics()
        for number in 0..<5 { try user.mustSet("k\(number)", "1") }
        _ = try user.bulk([item("a", "1"), item("b", "2")])
        _ = try user.set("k1", "x")
        for _ in 0..<3 { _ = try user.get("k1") }
        _ = try user.get("nothing")
        _ = try user.list()
        let after = try metrics()
        func more(_ name: String, _ labels: [String: String]? = nil) -> Double {
            guard let labels else { return after.total(name) - before.total(name) }
            return (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0)
        }
        #expect(more("apus_writes_total") == 7)
        #expect(more("apus_reads_total") == 5)
        let requests = "apus_http_requests_total"
        #expect(more(requests, ["method": "POST", "route": "/v1/data", "status": "2xx"]) == 5)
        #expect(more(requests, ["method": "POST", "route": "/v1/data", "status": "4xx"]) == 1)
        let read = ["method": "GET", "route": "/v1/data/{user}/{collection}/{key}"]
        #expect(more(requests, read.merging(["status": "2xx"]) { $1 }) == 3)
        #expect(more(requests, read.merging(["status": "4xx"]) { $1 }) == 1)
        #expect(more("apus_http_request_duration_seconds_count", read) == 4)
        #expect(more("apus_http_request_duration_seconds_sum", read) > 0)
        #expect(more("apus_refusals_total", ["code": "malformed-json"]) == 1)
        #expect(more("apus_refusals_total", ["code": "not-found"]) == 1)
        #expect(more("apus_commit_requests_sum") >= 6 && more("apus_commit_duration_seconds_count") >= 1)
    }

    @Test func `what was handed to sockets and streams is counted, and who is connected`() throws {
        let user = TestUser(server)
        let before = try metrics()
        do {
            let sockets = [try user.listening(), try user.listening("&collection=things")]
            let stream = try user.stream()
            #expect(try stream.next().type == "hello")
            try user.mustSet("k", "1")
            try user.mustSet("k", "1", in: "others")
            for socket in sockets { #expect(try socket.next()["type"].text == "data.updated") }
            for _ in 0..<2 { #expect(try stream.next().type == "data.updated") }
            #expect(try sockets[0].next()["type"].text == "data.updated")
            let after = try metrics()
            func more(_ name: String, _ labels: [String: String] = [:]) -> Double {
                (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0)
            }
            #expect(more("apus_deliveries_total", ["transport": "websocket"]) == 3)
            #expect(more("apus_deliveries_total", ["transport": "stream"]) == 2)
            #expect(more("apus_websockets") == 2 && more("apus_event_streams") == 1)
            #expect(try #require(after.value("apus_connections")) >= 4)
            let upgrades = ["method": "GET", "route": "socket.open", "status": "1xx"]
            #expect(more("apus_http_requests_total", upgrades) == 2)
        }
        let isOver = try eventually { try metrics().value("apus_websockets") == before.value("apus_websockets") }
        #expect(isOver)
    }

    @Test func `nothing that a client makes up becomes a label`() throws {
        let user = TestUser(server, id: "a-user-in-no-label")
        try user.mustSet("a-key-in-no-label", "1", in: "a-collection-in-no-label")
        _ = try server.call("GET", "/a-path-in-no-label")
        _ = try server.call("BREW", "/v1/data")
        let text = try server.admin("GET", "/metrics").text
        #expect(!text.contains("-in-no-label") && !text.contains("BREW"))
        let told = try Exposition(text)
        let labels = Set(told.families.values.flatMap(\.samples).flatMap(\.labels.keys))
        #expect(labels == ["method", "route", "status", "le", "code", "transport", "version"])
        #expect(told.families.values.allSatisfy { $0.help != "Counted by a plug-in." })
    }

    @Test func `the process, its storage and its version are told`() throws {
        let told = try metrics()
        for name in [
            "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
            "process_start_time_seconds", "apus_storage_bytes", "apus_uptime_seconds",
        ] { #expect(try #require(told.value(name)) > 0, "\(name)") }
        #expect(told.value("apus_commit_queue_length") == 0)
        #expect(told.value("apus_refusals_total", ["code": "rate-limited"]) != nil)
        let version = try server.call("GET", "/health").json()["version"].text
        #expect(told.value("apus_build_info", ["version": version ?? ""]) == 1)
    }

    @Test func `the history tells what went on, a sample every five seconds`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let socket = try user.listening()
        for _ in 0..<10 { try user.mustSet("k", "1") }
        var history = JSON.missing
        let isThere = try eventually {
            history = try server.admin("GET", "/v1/admin/history").json()
            return !history["samples"].items.isEmpty
        }
        #expect(isThere)
        #expect(history["step_seconds"].int == 5 && Moment(history["server_time"].text) != nil)
        let sample = history["samples"][0]
        #expect(
            sample.names == [
                "at", "writes", "reads", "deliveries", "latency_p50_ms", "latency_p99_ms", "connections", "sockets",
                "memory_bytes", "disk_bytes",
            ])
        #expect(try #require(sample["writes"].double) > 0 && sample["deliveries"].double ?? 0 > 0)
        let latencies = [sample["latency_p50_ms"].double ?? 0, sample["latency_p99_ms"].double ?? 0]
        #expect(latencies[0] > 0 && latencies[0] <= latencies[1])
        #expect(sample["sockets"].int == 1 && sample["connections"].int ?? 0 >= 1)
        #expect(sample["memory_bytes"].int ?? 0 > 0)
        let at = try #require(sample["at"].text)
        #expect(try server.admin("GET", "/v1/admin/history?after=\(at)").json()["samples"].items.isEmpty)
        try expectProblem(try server.admin("GET", "/v1/admin/history?after=now"), 400, "bad-parameter")
        try expectProblem(try server.call("GET", "/v1/admin/history"), 401, "unauthenticated")
        withExtendedLifetime(socket) {}
    }
}

extension JSON {
    fileprivate var double: Double? {
        guard case .number = kind else { return nil }
        return Double(raw)
    }
}
