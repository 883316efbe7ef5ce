using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace Llama.Tool;

/// <summary>The options of <c>llama keys list</c>.</summary>
[Description("Lists the keys of the API.")]
internal record KeyFileOptions
{
    /// <summary>The file of keys.</summary>
    [Description("File of the keys, which the gateways read with --api-key-file.")]
    [Required]
    public string File { get; init; } = "";
}

/// <summary>The options of <c>llama keys revoke</c>.</summary>
[Description("Revokes a key of the API: within two seconds no gateway takes it.")]
internal sealed record RevokeKeyOptions : KeyFileOptions
{
    /// <summary>The key's id.</summary>
    [Description("Id of the key, as 'llama keys list' shows it.")]
    [Required]
    public string Id { get; init; } = "";
}

/// <summary>The options of <c>llama keys add</c>.</summary>
[Description("Makes a key of the API and prints it, once: the file keeps only its hash.")]
internal sealed record AddKeyOptions : KeyFileOptions
{
    /// <summary>Whose it is.</summary>
    [Description("Whose the key is, for those who list the keys.")]
    [Required, StringLength(256, ErrorMessage = "at most 256 characters")]
    public string Name { get; init; } = "";

    /// <summary>Requests a minute; null for no limit.</summary>
    [Description("Requests a minute at each gateway, if limited.")]
    [Range(1, int.MaxValue)]
    public int? RequestsPerMinute { get; init; }

    /// <summary>Tokens a minute; null for no limit.</summary>
    [Description("Tokens a minute at each gateway, of prompts and answers together, if limited.")]
    [Range(1, int.MaxValue)]
    public int? TokensPerMinute { get; init; }

    /// <summary>Answers at the same time; null for no limit.</summary>
    [Description("Answers at the same time at each gateway, if limited.")]
    [Range(1, int.MaxValue)]
    public int? ConcurrentStreams { get; init; }

    /// <summary>The lowest priority that it may ask for; null for any.</summary>
    [Description("Lowest priority, which goes first, that its requests may ask for, if limited.")]
    [Range(-int.MaxValue, int.MaxValue)]
    public int? Priority { get; init; }
}
