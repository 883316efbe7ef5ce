using System.Globalization;
using Llama.Grains.Membership.Files;
using Llama.Grains.Settings;

namespace Llama.AppHost;

/// <summary>The command lines of a cluster's processes.</summary>
internal static class ClusterArguments
{
    /// <summary>A gateway's.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="clusterPort">The first gateway's port, which names the cluster.</param>
    /// <param name="port">The port that it listens on.</param>
    public static string[] Gateway(AppHostOptions options, int clusterPort, int port) => Arguments(
        ("host", "127.0.0.1"),
        ("port", port),
        ("grpc-port", port == clusterPort ? options.GrpcPort : null),
        ("model", Path.GetFullPath(options.Model)),
        ("silos", options.Silos),
        ("replicas", options.Replicas),
        ("ranges", options.Ranges),
        ("kv-memory", options.KvMemory),
        ("step-tokens", options.StepTokens),
        ("context", options.Context),
        ("rope-factor", options.RopeFactor),
        ("weights", options.Weights),
        ("kv-type", options.KvType),
        ("chat-template", options.ChatTemplate),
        ("unknown-fields", options.UnknownFields),
        ("pooling", options.Pooling),
        ("cluster", ClusterOf(options, clusterPort)),
        ("cluster-login-file", Full(options.ClusterLoginFile)),
        ("shutdown-timeout", "00:00:01"),
        ("tls", Full(options.Tls)),
        ("verbose", options.Verbose),
        ("log-format", options.LogFormat));

    /// <summary>A front's.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="clusterPort">The first gateway's port, which names the cluster.</param>
    /// <param name="port">The port that it listens on.</param>
    public static string[] Front(AppHostOptions options, int clusterPort, int port) => Arguments(
        ("front", true),
        ("host", "127.0.0.1"),
        ("port", port),
        ("unknown-fields", options.UnknownFields),
        ("pooling", options.Pooling),
        ("cluster", ClusterOf(options, clusterPort)),
        ("cluster-login-file", Full(options.ClusterLoginFile)),
        ("shutdown-timeout", "00:00:01"),
        ("tls", Full(options.Tls)),
        ("verbose", options.Verbose),
        ("log-format", options.LogFormat));

    /// <summary>A silo's.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="clusterPort">The first gateway's port, which names the cluster.</param>
    /// <param name="number">The silo's number, from 1.</param>
    public static string[] Silo(AppHostOptions options, int clusterPort, int number) => Arguments(
        ("name", SiloName(number)),
        ("cluster", ClusterOf(options, clusterPort)),
        ("listen", "127.0.0.1:0"),
        ("model", Path.GetFullPath(options.Model)),
        ("threads", options.ThreadsOfSilo),
        ("memory", options.Memory),
        ("log-memory", options.LogMemory),
        ("cores", CoresOfSilo(options, number)),
        ("instructions", options.Instructions),
        ("devices", options.Devices),
        ("torch", Full(options.Torch)),
        ("context", options.Context),
        ("rope-factor", options.RopeFactor),
        ("weights", options.Weights),
        ("kv-type", options.KvType),
        ("cluster-login-file", Full(options.ClusterLoginFile)),
        ("tls", Full(options.Tls)),
        ("verbose", options.Verbose),
        ("log-format", options.LogFormat));

    /// <summary>A silo's name, which is that of its resource.</summary>
    public static string SiloName(int number) => string.Create(CultureInfo.InvariantCulture, $"silo-{number}");

    /// <summary>The silo's own cores out of those of the cluster.</summary>
    private static string? CoresOfSilo(AppHostOptions options, int number) => CoreList.Parse(options.Cores) is { } cores
        ? CoreList.Format(cores.Skip((number - 1) * options.ThreadsOfSilo).Take(options.ThreadsOfSilo))
        : null;

    /// <summary>Files of this machine, unless the user says otherwise: a cluster for each port, so that two of them do not meet.</summary>
    private static string ClusterOf(AppHostOptions options, int clusterPort) =>
        options.Cluster ?? Path.Combine(FileDocument.DefaultRoot, string.Create(CultureInfo.InvariantCulture, $"port-{clusterPort}"));

    private static string? Full(string? path) => path is null ? null : Path.GetFullPath(path);

    /// <summary>Every value is said, even a default: the environment, which the processes share, must not say otherwise.</summary>
    private static string[] Arguments(params (string Name, object? Value)[] options)
        => [.. from option in options
               where option.Value is not null
               select string.Create(CultureInfo.InvariantCulture, $"--{option.Name}={option.Value}")];
}
