using Microsoft.Extensions.Options;

namespace Llama.Client;

/// <summary>Says every fault of the options at once.</summary>
internal sealed class LlamaClientOptionsValidator : IValidateOptions<LlamaClientOptions>
{
    /// <summary>What a timer can wait.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>The options, if they can be used.</summary>
    /// <param name="options">The options.</param>
    /// <exception cref="OptionsValidationException">They cannot; it names each one at fault, and its value.</exception>
    public static LlamaClientOptions Check(LlamaClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        string[] faults = [.. Faults(options)];
        return faults.Length == 0 ? options : throw new OptionsValidationException(nameof(LlamaClientOptions), typeof(LlamaClientOptions), faults);
    }

    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, LlamaClientOptions options)
    {
        string[] faults = [.. Faults(options)];
        return faults.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private static IEnumerable<string> Faults(LlamaClientOptions options)
    {
        if (options.Addresses is not { Count: > 0 })
            yield return $"{nameof(options.Addresses)} is empty; expected at least one, such as http://localhost:8081.";
        foreach (Uri address in options.Addresses ?? [])
        {
            if (address is not { IsAbsoluteUri: true, Scheme: "http" or "https", PathAndQuery: "/" })
                yield return $"{nameof(options.Addresses)} has '{address}'; expected http://host:port or https://host:port.";
        }

        if (options.ApiKey is { } key && (key.Length == 0 || key.Any(character => character is <= ' ' or >= '\x7f')))
            yield return $"{nameof(options.ApiKey)} has {key.Length} characters, and not only printable ones of ASCII; expected a key, or null.";
        if (options.Model is { Length: 0 }) yield return $"{nameof(options.Model)} is ''; expected a name, or null.";
        if (options.Timeout is { } timeout && (timeout <= TimeSpan.Zero || timeout > Longest))
            yield return $"{nameof(options.Timeout)} is {timeout}; expected more than 0 and at most a day, or null.";
        if (options.RecoveryTimeout < TimeSpan.Zero || options.RecoveryTimeout > Longest)
            yield return $"{nameof(options.RecoveryTimeout)} is {options.RecoveryTimeout}; expected 0 to a day.";
        if (options.AuthorityFile is { } file && !File.Exists(file))
            yield return $"{nameof(options.AuthorityFile)} is '{file}', which is no file; expected a PEM file, or null.";
    }
}
