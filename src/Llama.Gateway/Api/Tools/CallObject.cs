using System.Text;

namespace Llama.Gateway.Api.Tools;

/// <summary>
/// Reads a call that is a JSON object: its <c>name</c> (or <c>function</c>), and <c>parameters</c> or <c>arguments</c>, in any order; other
/// members are passed over.
/// </summary>
/// <param name="needsArguments">Whether an object without arguments is no call.</param>
internal sealed class CallObject(bool needsArguments) : ICallReader
{
    private const string None = "{}";

    private readonly StringBuilder key = new();
    private readonly StringBuilder name = new();
    private readonly StringBuilder arguments = new();
    private Place place;
    private JsonSpan value;
    private bool hasMembers;

    private enum Place
    {
        Start,
        Key,
        InKey,
        Colon,
        Value,
        InName,
        InArguments,
        InOther,
        Comma,
    }

    /// <inheritdoc/>
    public string? Name { get; private set; }

    /// <inheritdoc/>
    public bool HasArguments { get; private set; }

    /// <inheritdoc/>
    public bool ClosesItself => false;

    /// <inheritdoc/>
    public CallState Take(char character)
    {
        switch (place)
        {
            case Place.InKey:
                if (character != '"') return Add(key, character);
                place = Place.Colon;
                return CallState.Going;
            case Place.InName:
                if (character != '"') return Add(name, character);
                Name = name.ToString();
                place = Place.Comma;
                return CallState.Going;
            case Place.InArguments:
                return TakeArgument(character);
            case Place.InOther:
                return TakeOther(character);
            default:
                return char.IsWhiteSpace(character) ? CallState.Going : TakeBetween(character);
        }
    }

    /// <inheritdoc/>
    public bool End() => false;

    /// <inheritdoc/>
    public string TakeArguments()
    {
        var more = arguments.ToString();
        arguments.Clear();
        return more;
    }

    private CallState TakeBetween(char character)
    {
        switch (place, character)
        {
            case (Place.Start, '{'):
                place = Place.Key;
                return CallState.Going;
            case (Place.Key, '"'):
                key.Clear();
                place = Place.InKey;
                return CallState.Going;
            case (Place.Key, '}') when !hasMembers:
            case (Place.Comma, '}'):
                return Close();
            case (Place.Comma, ','):
                place = Place.Key;
                return CallState.Going;
            case (Place.Colon, ':'):
                place = Place.Value;
                return CallState.Going;
            case (Place.Value, _):
                return BeginValue(character);
            default:
                return CallState.NoCall;
        }
    }

    private CallState Close()
    {
        if (Name is null || (needsArguments && !HasArguments)) return CallState.NoCall;
        if (!HasArguments) arguments.Append(None);
        return CallState.Complete;
    }

    private CallState BeginValue(char character)
    {
        hasMembers = true;
        var member = key.ToString();
        if (Name is null && character == '"' && member is "name" or "function")
        {
            place = Place.InName;
            return CallState.Going;
        }

        value = default;
        if (!HasArguments && member is "parameters" or "arguments")
        {
            if (character == '{')
            {
                HasArguments = true;
                place = Place.InArguments;
                return TakeArgument(character);
            }

            if (character != 'n') return CallState.NoCall;
            HasArguments = true;
            arguments.Append(None);
        }

        place = Place.InOther;
        return TakeOther(character);
    }

    private CallState TakeArgument(char character)
    {
        arguments.Append(character);
        if (value.Take(character, out _)) place = Place.Comma;
        return CallState.Going;
    }

    private CallState TakeOther(char character)
    {
        if (!value.Take(character, out var isPart)) return CallState.Going;
        place = Place.Comma;
        return isPart ? CallState.Going : Take(character);
    }

    // Names and keys have no escapes, and end.
    private static CallState Add(StringBuilder text, char character)
    {
        if (text.Length == ToolUse.MostNameCharacters || character is '\\' or '\n') return CallState.NoCall;
        text.Append(character);
        return CallState.Going;
    }
}
