using System.Globalization;
using Llama.Grains.Settings;

namespace Llama.Bench.Processes;

/// <summary>The command lines of a gateway and silos on this machine that are started one by one, to be disturbed.</summary>
internal sealed record ClusterPrograms
{
    /// <summary>Folder or file of the checkpoint.</summary>
    public required string Model { get; init; }

    /// <summary>Silos that the gateway expects; 0 for a gateway that serves alone.</summary>
    public required int Silos { get; init; }

    /// <summary>The gateway's port.</summary>
    public required int Port { get; init; }

    /// <summary>Where the processes find each other.</summary>
    public string? Cluster { get; init; }

    /// <summary>Folder with the certificate of all processes; null for no TLS.</summary>
    public string? Tls { get; init; }

    /// <summary>Memory for keys and values of one stage at most; null for the gateway's default.</summary>
    public ByteSize? KvMemory { get; init; }

    /// <summary>Where the gateway is reached: by its address, or with TLS by the name that certificates are for.</summary>
    public string Url => Tls is null ? $"http://127.0.0.1:{Port}" : $"https://localhost:{Port}";

    /// <summary>The gateway's.</summary>
    /// <exception cref="FileNotFoundException">The program is not beside this one.</exception>
    public ChildCommand Gateway() => ChildCommand.ForProgram("gateway", "Llama.Gateway", Arguments(
        ("host", "127.0.0.1"),
        ("port", Port),
        ("model", Path.GetFullPath(Model)),
        ("silos", Silos),
        ("kv-memory", KvMemory),
        ("cluster", Silos > 0 ? Cluster : null),
        ("shutdown-timeout", "00:00:01"),
        ("tls", Tls is null ? null : Path.GetFullPath(Tls))));

    /// <summary>A front's.</summary>
    /// <param name="number">The front's number, from 1.</param>
    /// <param name="port">The port that it listens on.</param>
    /// <exception cref="FileNotFoundException">The program is not beside this one.</exception>
    public ChildCommand Front(int number, int port) => ChildCommand.ForProgram($"front-{number}", "Llama.Gateway", Arguments(
        ("front", true),
        ("host", "127.0.0.1"),
        ("port", port),
        ("cluster", Cluster),
        ("shutdown-timeout", "00:00:01"),
        ("tls", Tls is null ? null : Path.GetFullPath(Tls))));

    /// <summary>A silo's, with one thread that computes.</summary>
    /// <param name="number">The silo's number, from 1.</param>
    /// <exception cref="FileNotFoundException">The program is not beside this one.</exception>
    public ChildCommand Silo(int number) => ChildCommand.ForProgram($"silo-{number}", "Llama.Silo", Arguments(
        ("name", $"silo-{number}"),
        ("cluster", Cluster),
        ("listen", "127.0.0.1:0"),
        ("model", Path.GetFullPath(Model)),
        ("threads", 1),
        ("tls", Tls is null ? null : Path.GetFullPath(Tls))));

    private static string[] Arguments(params (string Name, object? Value)[] options)
        => [.. from option in options
               where option.Value is not null
               select string.Create(CultureInfo.InvariantCulture, $"--{option.Name}={option.Value}")];
}
