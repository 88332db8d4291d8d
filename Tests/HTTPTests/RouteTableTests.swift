import NIOHTTP1
import Testing

@testable import ApusHTTP

@Suite struct RouteTableTests {
    private static let routes: [(HTTPMethod, String)] = [
        (.GET, "/"), (.GET, "/health"), (.POST, "/data"), (.POST, "/data/bulk"), (.GET, "/data/{user}"),
        (.GET, "/data/{user}/{collection}"), (.GET, "/data/{user}/{collection}/{key}"),
        (.PUT, "/data/{user}/{collection}/{key}"), (.DELETE, "/data/{user}/{collection}/{key}"),
        (.POST, "/users/{id}/rotate"), (.GET, "/users/{id}"), (.DELETE, "/users/{id}"),
    ]
    private static let table = RouteTable(
        routes.map { method, pattern in Route(method: method, pattern: pattern, access: .everyone) { _ in } })

    /// What is found, in words: the route and its parameters, the other methods, or nothing.
    private func find(_ method: HTTPMethod, _ segments: String...) -> String {
        switch Self.table.match(method, segments) {
        case .found(let route, let parameters):
            "\(route.method) \(route.pattern) \(parameters.joined(separator: " "))"
        case .otherMethods(let methods): "only " + methods.map(\.rawValue).joined(separator: " ")
        case .none: "nothing"
        }
    }

    @Test func `a path is found with its parameters`() {
        #expect(find(.GET) == "GET / ")
        #expect(find(.GET, "health") == "GET /health ")
        #expect(find(.POST, "data") == "POST /data ")
        #expect(find(.POST, "data", "bulk") == "POST /data/bulk ")
        #expect(find(.GET, "data", "u1") == "GET /data/{user} u1")
        #expect(find(.GET, "data", "u1", "a/b", "data") == "GET /data/{user}/{collection}/{key} u1 a/b data")
        #expect(find(.DELETE, "data", "u", "c", "k") == "DELETE /data/{user}/{collection}/{key} u c k")
        #expect(find(.POST, "users", "u", "rotate") == "POST /users/{id}/rotate u")
    }

    @Test func `a path that is no route is nothing, whatever the method`() {
        for method in [HTTPMethod.GET, .POST, .OPTIONS, .HEAD] {
            #expect(find(method, "nothing") == "nothing")
            #expect(find(method, "health", "x") == "nothing")
            #expect(find(method, "health", "") == "nothing")
            #expect(find(method, "users") == "nothing", "a part of a route is none")
            #expect(find(method, "data", "u", "c", "k", "x") == "nothing")
            #expect(find(method, "Health") == "nothing")
            #expect(find(method, "") == "nothing")
            #expect(find(method, "users", "u", "rotat") == "nothing")
        }
    }

    @Test func `a known path with another method tells which there are`() {
        #expect(find(.POST, "health") == "only GET HEAD OPTIONS")
        #expect(find(.PATCH, "data", "u", "c", "k") == "only GET PUT DELETE HEAD OPTIONS")
        #expect(find(.GET, "users", "u", "rotate") == "only POST OPTIONS")
        #expect(find(.DELETE, "data") == "only POST OPTIONS")
        #expect(find(.OPTIONS, "data") == "only POST OPTIONS")
        #expect(find(.RAW(value: "BREW"), "health") == "only GET HEAD OPTIONS")
    }

    @Test func `HEAD is answered where GET is, and nowhere else`() {
        #expect(find(.HEAD, "health") == "GET /health ")
        #expect(find(.HEAD, "data", "u1") == "GET /data/{user} u1")
        #expect(find(.HEAD, "data") == "only POST OPTIONS")
    }

    @Test func `a user may be called like a word of a route`() {
        #expect(find(.GET, "data", "bulk") == "GET /data/{user} bulk")
        #expect(find(.GET, "data", "bulk", "c") == "GET /data/{user}/{collection} bulk c")
        #expect(find(.PUT, "data", "bulk", "bulk", "k") == "PUT /data/{user}/{collection}/{key} bulk bulk k")
        #expect(find(.POST, "data", "bulk") == "POST /data/bulk ")
        #expect(find(.DELETE, "data", "bulk") == "only POST GET HEAD OPTIONS")
    }

    @Test func `a route knows whether its path names an owner`() {
        #expect(Route(method: .GET, pattern: "/data/{user}/{key}", access: .user) { _ in }.namesOwner)
        #expect(!Route(method: .POST, pattern: "/users", access: .user) { _ in }.namesOwner)
        #expect(!Route(method: .POST, pattern: "/users/{id}", access: .administrator) { _ in }.namesOwner)
    }

    @Test func `no two routes of the server have the same method and path`() {
        let routes = SystemRoutes.all + DataRoutes.all + AdminRoutes.all
        #expect(Set(routes.map { "\($0.method) \($0.pattern)" }).count == routes.count)
        for route in routes {
            let isOfAdministrator = route.pattern.contains("/admin")
            if case .administrator = route.access { #expect(isOfAdministrator) } else { #expect(!isOfAdministrator) }
        }
    }
}
