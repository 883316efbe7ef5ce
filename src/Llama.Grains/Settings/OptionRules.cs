using System.ComponentModel.DataAnnotations;
using Llama.Model.Chat;
using Llama.Model.Kernels;
using Llama.Model.KeyValueCache;
using Llama.Model.Weights;

namespace Llama.Grains.Settings;

// The rules that System.ComponentModel.DataAnnotations lacks. The message of a rule says what is expected.

/// <summary>The checkpoint must exist: a folder, or a GGUF file.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ExistingCheckpointAttribute() : ValidationAttribute("a folder or a .gguf file that exists")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null or "" || Directory.Exists((string)value)
        || (((string)value).EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && File.Exists((string)value));
}

/// <summary>The text must name a weight type, in upper or lower case.</summary>
/// <param name="writable">Whether only the types that weights can be rounded to are allowed.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class WeightTypeAttribute(bool writable) : ValidationAttribute($"one of {string.Join(", ", Names(writable))}")
{
    /// <summary>Whether only the types that weights can be rounded to are allowed.</summary>
    public bool Writable => writable;

    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null or "" || Names(writable).Contains((string)value, StringComparer.OrdinalIgnoreCase);

    /// <summary>The types of a valid name.</summary>
    public static WeightMix Parse(string name) => WeightMix.Parse(name);

    private static IEnumerable<string> Names(bool writable) =>
        (writable ? [] : Enum.GetNames<ElementType>()).Concat(WeightMix.All.Select(mix => mix.Name)).Distinct().Select(name => name.ToLowerInvariant());
}

/// <summary>The text must name a type that keys and values can be kept in, in upper or lower case.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class KvTypeAttribute() : ValidationAttribute($"one of {string.Join(", ", Names)}")
{
    private static IEnumerable<string> Names => KvTypes.All.Select(type => $"{type}".ToLowerInvariant());

    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || Names.Contains((string)value, StringComparer.OrdinalIgnoreCase);

    /// <summary>The type of a valid name.</summary>
    public static ElementType Parse(string name) => Enum.Parse<ElementType>(name, ignoreCase: true);
}

/// <summary>The text must name instructions that this processor has; see <see cref="Instructions"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class InstructionsAttribute() : ValidationAttribute($"one of {string.Join(", ", Instructions.Names)}, as this processor has them")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || Instructions.Names.Contains((string)value);
}

/// <summary>The text must name a chat template; see <see cref="ChatTemplates"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ChatTemplateNameAttribute() : ValidationAttribute($"one of {string.Join(", ", ChatTemplates.Names)}")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || ChatTemplates.Names.Contains((string)value);
}

/// <summary>The text must be a list of cores; see <see cref="CoreList"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class CoreListAttribute()
    : ValidationAttribute($"a list of cores like 0-3,6, each once, from 0 to {ThreadAffinity.MaxCores - 1}")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || CoreList.TryParse((string)value, out _);
}

/// <summary>The text must be an absolute http or https URL.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class HttpUrlAttribute() : ValidationAttribute("an http or https URL like http://127.0.0.1:8080")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value)
        => value is null || (Uri.TryCreate((string)value, UriKind.Absolute, out Uri? url)
            && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps));
}

/// <summary>Whether an address has a port.</summary>
public enum PortRule
{
    /// <summary>Only <c>host</c>.</summary>
    None,

    /// <summary><c>host</c> or <c>host:port</c>.</summary>
    Optional,

    /// <summary>Only <c>host:port</c>.</summary>
    Required,
}

/// <summary>The text must be a host name or IP address, with or without a port; see <see cref="HostPort"/>.</summary>
/// <param name="port">Whether it has a port.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class HostPortAttribute(PortRule port) : ValidationAttribute(Expected(port))
{
    /// <summary>Whether the address has a port.</summary>
    public PortRule Port => port;

    /// <inheritdoc/>
    public override bool IsValid(object? value)
        => value is null || (HostPort.TryParse((string)value, out HostPort parsed)
            && (port == PortRule.Optional || parsed.Port is not null == (port == PortRule.Required)));

    private static string Expected(PortRule port) => port switch
    {
        PortRule.None => "a host name or IP address like 127.0.0.1",
        PortRule.Optional => "host or host:port like node-7:9000",
        _ => "host:port like 127.0.0.1:9000",
    };
}
