using System.Globalization;
using Llama.Grains.Membership.Files;
using Llama.Grains.Settings;

namespace Llama.AppHost;

/// <summary>The command lines of a cluster's processes.</summary>
internal static class ClusterCommands
{
    /// <summary>The gateway's.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="port">The port that it listens on.</param>
    /// <exception cref="FileNotFoundException">The program is not beside this one.</exception>
    public static ChildCommand Gateway(AppHostOptions options, int port) => ChildCommand.ForProgram("gateway", "Llama.Gateway", Arguments(
        ("host", "127.0.0.1"),
        ("port", port),
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
        ("cluster", options.Silos > 0 ? ClusterOf(options, port) : null),
        ("cluster-login-file", Folder(options.ClusterLoginFile)),
        ("shutdown-timeout", "00:00:01"),
        ("tls", Folder(options.Tls)),
        ("verbose", options.Verbose)));

    /// <summary>A front's.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="gatewayPort">The gateway's port.</param>
    /// <param name="port">The port that the front listens on.</param>
    /// <param name="number">The front's number, from 1.</param>
    /// <exception cref="FileNotFoundException">The program is not beside this one.</exception>
    public static ChildCommand Front(AppHostOptions options, int gatewayPort, int port, int number) =>
        ChildCommand.ForProgram($"front-{number}", "Llama.Gateway", Arguments(
            ("front", true),
            ("host", "127.0.0.1"),
            ("port", port),
            ("unknown-fields", options.UnknownFields),
            ("cluster", ClusterOf(options, gatewayPort)),
            ("cluster-login-file", Folder(options.ClusterLoginFile)),
            ("shutdown-timeout", "00:00:01"),
            ("tls", Folder(options.Tls)),
            ("verbose", options.Verbose)));

    /// <summary>A silo's.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="port">The gateway's port.</param>
    /// <param name="number">The silo's number, from 1.</param>
    /// <exception cref="FileNotFoundException">The program is not beside this one.</exception>
    public static ChildCommand Silo(AppHostOptions options, int port, int number)
    {
        string name = $"silo-{number}";
        return ChildCommand.ForProgram(name, "Llama.Silo", Arguments(
            ("name", name),
            ("cluster", ClusterOf(options, port)),
            ("listen", "127.0.0.1:0"),
            ("model", Path.GetFullPath(options.Model)),
            ("threads", options.ThreadsOfSilo),
            ("memory", options.Memory),
            ("log-memory", options.LogMemory),
            ("cores", CoresOfSilo(options, number)),
            ("instructions", options.Instructions),
            ("devices", options.Devices),
            ("torch", Folder(options.Torch)),
            ("context", options.Context),
            ("rope-factor", options.RopeFactor),
            ("weights", options.Weights),
            ("kv-type", options.KvType),
            ("cluster-login-file", Folder(options.ClusterLoginFile)),
            ("tls", Folder(options.Tls)),
            ("verbose", options.Verbose)));
    }

    /// <summary>The silo's own cores out of those of the cluster.</summary>
    private static string? CoresOfSilo(AppHostOptions options, int number) => CoreList.Parse(options.Cores) is { } cores
        ? CoreList.Format(cores.Skip((number - 1) * options.ThreadsOfSilo).Take(options.ThreadsOfSilo))
        : null;

    /// <summary>Files of this machine, unless the user says otherwise: a cluster for each port, so that two of them do not meet.</summary>
    private static string ClusterOf(AppHostOptions options, int port) =>
        options.Cluster ?? Path.Combine(FileDocument.DefaultRoot, string.Create(CultureInfo.InvariantCulture, $"port-{port}"));

    private static string? Folder(string? path) => path is null ? null : Path.GetFullPath(path);

    /// <summary>Every value is said, even a default: the environment, which the processes share, must not say otherwise.</summary>
    private static string[] Arguments(params (string Name, object? Value)[] options)
        => [.. from option in options
               where option.Value is not null
               select string.Create(CultureInfo.InvariantCulture, $"--{option.Name}={option.Value}")];
}
