using Llama.Model.Chat;
using Llama.Model.Kernels;
using Llama.Model.Sampling;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization.Configuration;

namespace Llama.Grains.Wire;

/// <summary>Names of the model's types on the wire.</summary>
public static class ModelTypes
{
    /// <summary>
    /// Names types that are arguments of a generic one: Orleans would write the C# name of these, whatever converts their values.
    /// </summary>
    /// <param name="services">Where the serializer's options are.</param>
    public static IServiceCollection AddModelTypes(this IServiceCollection services) =>
        services.Configure<TypeManifestOptions>(options =>
        {
            options.WellKnownTypeAliases["llama.token"] = typeof(TokenLogprob);
            options.WellKnownTypeAliases["llama.bias"] = typeof(TokenBias);
            options.WellKnownTypeAliases["llama.message"] = typeof(ChatMessage);
        });
}

/// <summary><see cref="MachineRates"/> as it travels: the model knows nothing of grains.</summary>
[GenerateSerializer, Alias("llama.machine-rates")]
public record struct MachineRatesOnTheWire
{
    /// <summary>Bytes of memory read in a second.</summary>
    [Id(0)]
    public double BytesPerSecond { get; set; }

    /// <summary>Operations in a second.</summary>
    [Id(1)]
    public double OperationsPerSecond { get; set; }
}

/// <summary>Converts <see cref="MachineRates"/>.</summary>
[RegisterConverter]
public sealed class MachineRatesConverter : IConverter<MachineRates, MachineRatesOnTheWire>
{
    /// <inheritdoc/>
    public MachineRates ConvertFromSurrogate(in MachineRatesOnTheWire surrogate) =>
        new(surrogate.BytesPerSecond, surrogate.OperationsPerSecond);

    /// <inheritdoc/>
    public MachineRatesOnTheWire ConvertToSurrogate(in MachineRates value) => new()
    {
        BytesPerSecond = value.BytesPerSecond,
        OperationsPerSecond = value.OperationsPerSecond,
    };
}

/// <summary><see cref="SamplingParameters"/> as they travel.</summary>
[GenerateSerializer, Alias("llama.sampling")]
public record struct SamplingOnTheWire
{
    /// <summary>Divides the logits.</summary>
    [Id(0)]
    public float Temperature { get; set; }

    /// <summary>How many of the most probable tokens are sampled from.</summary>
    [Id(1)]
    public int TopK { get; set; }

    /// <summary>The probability that the tokens to sample from add up to.</summary>
    [Id(2)]
    public float TopP { get; set; }

    /// <summary>The least probability, as a part of the highest.</summary>
    [Id(3)]
    public float MinP { get; set; }
}

/// <summary>Converts <see cref="SamplingParameters"/>.</summary>
[RegisterConverter]
public sealed class SamplingConverter : IConverter<SamplingParameters, SamplingOnTheWire>
{
    /// <inheritdoc/>
    public SamplingParameters ConvertFromSurrogate(in SamplingOnTheWire surrogate) => new()
    {
        Temperature = surrogate.Temperature,
        TopK = surrogate.TopK,
        TopP = surrogate.TopP,
        MinP = surrogate.MinP,
    };

    /// <inheritdoc/>
    public SamplingOnTheWire ConvertToSurrogate(in SamplingParameters value) => new()
    {
        Temperature = value.Temperature,
        TopK = value.TopK,
        TopP = value.TopP,
        MinP = value.MinP,
    };
}

/// <summary><see cref="TokenBias"/> as it travels.</summary>
[GenerateSerializer, Alias("llama.token-bias")]
public record struct TokenBiasOnTheWire
{
    /// <summary>The token's id.</summary>
    [Id(0)]
    public int Token { get; set; }

    /// <summary>What is added to its logit.</summary>
    [Id(1)]
    public float Addend { get; set; }
}

/// <summary>Converts <see cref="TokenBias"/>.</summary>
[RegisterConverter]
public sealed class TokenBiasConverter : IConverter<TokenBias, TokenBiasOnTheWire>
{
    /// <inheritdoc/>
    public TokenBias ConvertFromSurrogate(in TokenBiasOnTheWire surrogate) => new(surrogate.Token, surrogate.Addend);

    /// <inheritdoc/>
    public TokenBiasOnTheWire ConvertToSurrogate(in TokenBias value) => new() { Token = value.Token, Addend = value.Addend };
}

/// <summary><see cref="TokenLogprob"/> as it travels.</summary>
[GenerateSerializer, Alias("llama.logprob")]
public record struct TokenLogprobOnTheWire
{
    /// <summary>The token's id.</summary>
    [Id(0)]
    public int Token { get; set; }

    /// <summary>Natural logarithm of its probability.</summary>
    [Id(1)]
    public float LogProbability { get; set; }
}

/// <summary>Converts <see cref="TokenLogprob"/>.</summary>
[RegisterConverter]
public sealed class TokenLogprobConverter : IConverter<TokenLogprob, TokenLogprobOnTheWire>
{
    /// <inheritdoc/>
    public TokenLogprob ConvertFromSurrogate(in TokenLogprobOnTheWire surrogate) => new(surrogate.Token, surrogate.LogProbability);

    /// <inheritdoc/>
    public TokenLogprobOnTheWire ConvertToSurrogate(in TokenLogprob value) => new() { Token = value.Token, LogProbability = value.LogProbability };
}
