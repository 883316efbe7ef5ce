using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.ExceptionServices;
using System.Text.Json;

namespace Llama.Grains.Hosting;

/// <summary>
/// Holds the grains of one process: activates them by interface and key at their first call, and gives each a mailbox, so that one
/// call at a time runs in it, in the order of arrival.
/// </summary>
public sealed class GrainHost : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Func<string, object>> factories = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Type, string Key), Activation> activations = [];
    private readonly Lock gate = new();
    private bool stopping;

    /// <summary>Says how grains of one interface are made.</summary>
    /// <typeparam name="TGrain">The grain's interface; its methods return tasks.</typeparam>
    /// <param name="activate">Makes the grain of a key.</param>
    public void Register<TGrain>(Func<string, TGrain> activate)
        where TGrain : class => factories[typeof(TGrain).Name] = key => activate(key);

    /// <summary>Runs a call that came over a link.</summary>
    /// <returns>The result as JSON, null for a method without one.</returns>
    /// <exception cref="GrainCallException">
    /// There is no such grain or method, the arguments do not fit it, or the host has been disposed of.
    /// </exception>
    public async Task<JsonElement?> CallAsync(GrainCall call, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(call);
        Activation activation = Activate(call);
        await activation.Mailbox.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (activation.Ended) throw Stopping();

            // Whoever brought the call brings others: it need not wait for what the grain does before it first awaits.
            return await Task.Run(() => InvokeAsync(activation.Grain, call, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            activation.Mailbox.Release();
        }
    }

    /// <summary>Disposes of the grains that ask for it, each when its present call is done; later calls fail.</summary>
    public async ValueTask DisposeAsync()
    {
        List<Activation> ending;
        lock (gate)
        {
            stopping = true;
            ending = [.. activations.Values];
            activations.Clear();
        }

        foreach (Activation activation in ending)
        {
            await activation.Mailbox.WaitAsync().ConfigureAwait(false);
            activation.Ended = true;
            if (activation.Grain is IAsyncDisposable disposable) await disposable.DisposeAsync().ConfigureAwait(false);
            activation.Mailbox.Release();
        }
    }

    /// <summary>The grain of a key, if it was activated: for links that feed it without a call.</summary>
    public TGrain? Find<TGrain>(string key)
        where TGrain : class
    {
        lock (gate) return (TGrain?)activations.GetValueOrDefault((typeof(TGrain).Name, key))?.Grain;
    }

    private static GrainCallException Stopping() => new("This process stops.");

    private Activation Activate(GrainCall call)
    {
        if (!factories.TryGetValue(call.Grain, out Func<string, object>? factory))
            throw new GrainCallException($"This process hosts no grains of type '{call.Grain}'.");
        lock (gate)
        {
            if (stopping) throw Stopping();
            if (!activations.TryGetValue((call.Grain, call.Key), out Activation? activation))
                activations.Add((call.Grain, call.Key), activation = new Activation(factory(call.Key)));
            return activation;
        }
    }

    private static async Task<JsonElement?> InvokeAsync(object grain, GrainCall call, CancellationToken cancellationToken)
    {
        MethodInfo method = grain.GetType().GetInterfaces().FirstOrDefault(i => i.Name == call.Grain)?.GetMethod(call.Method)
            ?? throw new GrainCallException($"Grain '{call.Grain}' has no method '{call.Method}'.");
        object?[] arguments = Arguments(method, call, cancellationToken);
        Task task;
        try
        {
            task = (Task)method.Invoke(grain, arguments)!;
        }
        catch (TargetInvocationException e) when (e.InnerException is not null)
        {
            ExceptionDispatchInfo.Throw(e.InnerException);
            throw;
        }

        await task.ConfigureAwait(false);
        return method.ReturnType.IsGenericType
            ? JsonSerializer.SerializeToElement(
                method.ReturnType.GetProperty(nameof(Task<object>.Result))!.GetValue(task), method.ReturnType.GenericTypeArguments[0],
                JsonSerializerOptions.Web)
            : null;
    }

    private static object?[] Arguments(MethodInfo method, GrainCall call, CancellationToken cancellationToken)
    {
        ParameterInfo[] parameters = method.GetParameters();
        object?[] arguments = new object?[parameters.Length];
        int given = 0;
        for (int i = 0; i < parameters.Length; i++)
        {
            if (parameters[i].ParameterType == typeof(CancellationToken))
            {
                arguments[i] = cancellationToken;
                continue;
            }

            if (given == call.Arguments.Count)
                throw new GrainCallException($"{call.Grain}.{call.Method} was called with {given} arguments; expected more.");
            try
            {
                arguments[i] = call.Arguments[given++].Deserialize(parameters[i].ParameterType, JsonSerializerOptions.Web);
            }
            catch (JsonException e)
            {
                throw new GrainCallException($"{call.Grain}.{call.Method}: argument '{parameters[i].Name}': {e.Message}");
            }
        }

        return arguments;
    }

    private sealed record Activation(object Grain)
    {
        /// <summary>Lets one call in at a time, those that wait in their order.</summary>
        public SemaphoreSlim Mailbox { get; } = new(1);

        /// <summary>Set by whoever is in the mailbox.</summary>
        public bool Ended { get; set; }
    }
}
