using System.Diagnostics.CodeAnalysis;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Protocol.Errors;

/// <summary>What a stage came to: a value, or a <see cref="V1.Failure"/> that says which stage, why, and with which errno.</summary>
public readonly struct Outcome<T>
{
    private readonly T? _value;

    private Outcome(T? value, Failure? failure)
    {
        _value = value;
        Failure = failure;
    }

    public Failure? Failure { get; }

    [MemberNotNullWhen(false, nameof(Failure))]
    public bool Ok => Failure is null;

    public T Value => Failure is null ? _value! : throw new InvalidOperationException($"no value: {Failure.Stage}: {Failure.Message}");

    public static implicit operator Outcome<T>(T value) => new(value, null);

    public static implicit operator Outcome<T>(Failure failure) => new(default, failure);

    public override string ToString() => Failure is null ? $"{_value}" : $"{Failure.Stage}: {Failure.Message}";
}

/// <summary>An outcome without a value.</summary>
public readonly struct Outcome
{
    private Outcome(Failure failure) => Failure = failure;

    public static Outcome Done => default;

    public Failure? Failure { get; }

    [MemberNotNullWhen(false, nameof(Failure))]
    public bool Ok => Failure is null;

    public static implicit operator Outcome(Failure failure) => new(failure);

    public override string ToString() => Failure is null ? "done" : $"{Failure.Stage}: {Failure.Message}";
}
