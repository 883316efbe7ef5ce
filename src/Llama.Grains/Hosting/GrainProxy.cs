using System.Reflection;
using System.Text.Json;

namespace Llama.Grains.Hosting;

/// <summary>Stands in for a grain in another process: every method becomes a call over a link.</summary>
public class GrainProxy : DispatchProxy
{
    private static readonly MethodInfo CallForResult =
        typeof(GrainProxy).GetMethod(nameof(CallForResultAsync), BindingFlags.NonPublic | BindingFlags.Instance)!;

    private GrainLink? link;
    private string grain = string.Empty;
    private string key = string.Empty;

    /// <summary>Says where the calls go.</summary>
    internal void Bind(GrainLink target, string grainType, string grainKey) => (link, grain, key) = (target, grainType, grainKey);

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        ArgumentNullException.ThrowIfNull(targetMethod);
        var arguments = new List<JsonElement>();
        CancellationToken cancellationToken = default;
        foreach (object? argument in args ?? [])
        {
            if (argument is CancellationToken token) cancellationToken = token;
            else arguments.Add(JsonSerializer.SerializeToElement(argument, JsonSerializerOptions.Web));
        }

        var call = new GrainCall(0, grain, key, targetMethod.Name, arguments);
        return targetMethod.ReturnType.IsGenericType
            ? CallForResult.MakeGenericMethod(targetMethod.ReturnType.GenericTypeArguments[0]).Invoke(this, [call, cancellationToken])
            : link!.CallAsync(call, cancellationToken);
    }

    private async Task<TResult> CallForResultAsync<TResult>(GrainCall call, CancellationToken cancellationToken)
    {
        JsonElement? result = await link!.CallAsync(call, cancellationToken).ConfigureAwait(false);
        return result is { } value && value.Deserialize<TResult>(JsonSerializerOptions.Web) is { } answer
            ? answer
            : throw new GrainCallException($"{call.Grain}.{call.Method} answered nothing; expected {typeof(TResult).Name}.");
    }
}
