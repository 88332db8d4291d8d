// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A room of the house: what it may import is what it lists here, and `TidyTests` holds the sources to it.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")

let package = Package(
    name: "apus",
    products: [
        .executable(name: "apus", targets: ["apus"]),
        .executable(name: "apus-bench", targets: ["ApusBench"]),
        .library(name: "ApusCore", targets: ["ApusCore"]),
        .library(name: "ApusMemory", targets: ["ApusMemory"]),
        .library(name: "ApusServer", targets: ["ApusServer"]),
        .library(name: "ApusTesting", targets: ["ApusTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        room("ApusCore", [nioCore]),
        room("ApusProtocol", ["ApusCore", nioCore]),
        room("ApusEngine", ["ApusCore", crypto, nioCore, logging, lifecycle, metrics]),
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        room("ApusStorageKit", ["ApusCore", nioCore]),
        room("ApusSQLite", ["ApusCore", "ApusStorageKit", "CSQLite", nioCore]),
        room("ApusLMDB", ["ApusCore", "ApusStorageKit", "CLMDB", nioCore]),
        room("ApusMemory", ["ApusCore", nioCore]),
        room("ApusTelemetry", ["ApusCore", lifecycle, metrics, nioCore]),
        room("ApusUpkeep", ["ApusCore", crypto, nioCore]),
        room(
            "ApusAuth",
            [
                "ApusCore", crypto, nioCore, .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "JWTKit", package: "jwt-kit"),
            ]),
        .target(name: "CPages"),
        room(
            "ApusHTTP",
            [
                "ApusCore", "ApusProtocol", "CPages", crypto, logging, lifecycle, metrics, nioCore, nioPosix, nioHTTP1,
                nioHTTP2, nioSSL, .product(name: "Mustache", package: "swift-mustache"),
            ]),
        room(
            "ApusServer",
            [
                "ApusCore", "ApusEngine", "ApusSQLite", "ApusLMDB", "ApusMemory", "ApusAuth", "ApusHTTP",
                "ApusTelemetry", "ApusUpkeep", crypto, logging, lifecycle, metrics, nioCore,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        room("ApusTesting", ["ApusCore", nioCore]),
        .executableTarget(
            name: "apus",
            dependencies: [
                "ApusCore", "ApusServer", "ApusUpkeep",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "ApusBench",
            dependencies: [
                "ApusCore", "ApusEngine", "ApusServer", "CLMDB", "CSQLite", crypto, logging, nioCore,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            path: "Benchmarks/ApusBench",
            swiftSettings: strict),
        .target(
            name: "JournalStorage", dependencies: ["ApusCore", "ApusMemory"], path: "Examples/JournalStorage",
            swiftSettings: strict),
        tests("CoreTests", ["ApusCore", "ApusTesting", nioCore]),
        tests("ProtocolTests", ["ApusCore", "ApusProtocol", "ApusTesting", nioCore]),
        tests(
            "EngineTests",
            ["ApusCore", "ApusEngine", "ApusMemory", "ApusTesting", nioCore, logging, lifecycle]),
        tests(
            "HTTPTests",
            [
                "ApusCore", "ApusHTTP", "ApusProtocol", "ApusTesting", nioCore, nioHTTP1,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ]),
        tests("AuthTests", ["ApusAuth", "ApusCore", crypto, nioCore]),
        tests("TelemetryTests", ["ApusCore", "ApusTelemetry", "ApusTesting", "ServerTests", metrics, nioCore]),
        tests("SettingsTests", ["ApusServer", "ApusCore", logging]),
        tests("ServerTests", ["apus", crypto, nioCore, nioHTTP2, nioPosix, nioSSL]),
        tests("HistoryTests", ["CSQLite", "ServerTests"]),
        tests("BrowserTests", ["ServerTests"]),
        tests(
            "ScheduleTests",
            [
                "ApusCore", "ApusEngine", "ApusHTTP", "ApusMemory", "ApusProtocol", "ApusTesting", logging, nioCore,
                nioHTTP1, .product(name: "NIOEmbedded", package: "swift-nio"),
            ]),
        tests(
            "StorageTests",
            ["ApusCore", "ApusLMDB", "CLMDB", "ApusSQLite", "ApusStorageKit", "ApusMemory", "ApusTesting", nioCore]),
        tests("BenchTests", ["ApusBench"]),
        tests("TidyTests", []),
        tests(
            "UpkeepTests",
            ["ApusCore", "ApusMemory", "ApusServer", "ApusTesting", "ApusUpkeep", "CSQLite", nioCore]),
        tests("PluginTests", ["ApusCore", "ApusServer", "ApusTesting", "JournalStorage", logging]),
    ]
)
